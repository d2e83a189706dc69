"""Composition root of the box: settings in, every part built and wired, closed in reverse. Decides nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from service.board import Board
from service.box import Box
from service.clock_gate import ClockGate
from service.cloud import management_socket
from service.cloud.audio_socket import AudioSockets
from service.cloud.session_client import SessionClient
from service.conductor import Conductor
from service.control import Controls
from service.core import lamps as lamp_table
from service.core import socket_audio
from service.core.accounts import Accounts
from service.core.captions import Caption
from service.core.floor import FloorRules, Programme
from service.core.idle import Idle
from service.core.session import ApiKey, ClientPair, Credentials, SessionRequest
from service.core.status import Status
from service.dsp.feedback import FeedbackCheck
from service.fallback import Fallback
from service.gpio.buttons import Buttons
from service.gpio.lamps import Lamps
from service.gpio.pins import Pins
from service.lines import open_line_in, open_line_out
from service.machine import Machine
from service.memory import Memory
from service.room import peers
from service.room.rooms import Rooms
from service.settings import Settings
from service.settings.pins import Lamps as LampSettings
from service.sound.capture import Capture
from service.sound.line_out import LineOut
from service.sound.opus import OpusDecoder, OpusEncoder
from service.system import board_health, garbage, journal, logs
from service.system.clock import Clock
from service.transports import Transport, Transports
from service.vigil import Vigil
from service.web import server
from service.web.routes import table

log = logging.getLogger(__name__)

PROGRAM = Path(__file__)
CLOSING_S = 0.3
SWITCH_INTERVAL_S = 0.0005  # so the sound threads get the interpreter in time beside a busy one (audio-path 6)


@asynccontextmanager
async def open_box(
    settings: Settings,
    *,
    board: Board,
    pins: Pins,
    on_caption: Callable[[Caption], None],
    memory: Memory | None = None,
) -> AsyncIterator[Box]:
    """Every part, opened in this order and closed in reverse; without a `memory` nothing is remembered. Raises
    BadSettings or PinsUnusable."""
    memory = memory or Memory()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    OpusDecoder()  # libopus is there, or this says what to install
    for line in settings.unheard():
        log.warning("%s", line)
    go, recording_ended = threading.Event(), threading.Event()
    async with AsyncExitStack() as stack:
        lamps = stack.enter_context(open_lamps(settings.lamps, board=board, pins=pins, memory=memory))
        stack.push_async_callback(_connections_closed)
        stack.callback(memory.keep_clocks)
        rooms, sockets = Rooms(), _sockets()
        wall_clock = Clock(written=filter(None, (PROGRAM, memory.folder)))
        line_out = await stack.enter_async_context(open_line_out(settings, clocks=memory.clocks))
        capture = await stack.enter_async_context(
            open_line_in(settings, go=go, ended=recording_ended, on_sound=line_out.put_floor)
        )

        def heard(caption: Caption) -> None:
            fallback.caption(caption)
            on_caption(caption)

        conductor = _conductor(
            settings,
            board=board,
            memory=memory,
            transports=_transports(settings, rooms, sockets),
            line_in=capture,
            line_out=line_out,
            wall_clock=wall_clock,
            on_caption=heard,
        )
        fallback = Fallback(
            board=board,
            rules=_floor_rules(settings),
            routes=settings.audio.output.routes(),
            phase=lambda: conductor.phase,
            line_out=line_out,
        )
        machine = Machine(
            time_of_day_s=wall_clock.now_s,
            read_board=board_health.read,
            on_step=conductor.look_again,
            on_change=journal.on_board,
        )
        buttons = Buttons(
            pins=pins, ask=conductor.ask, **{name: pin.place for name, pin in settings.buttons if pin is not None}
        )
        stack.callback(buttons.close)
        vigil = Vigil(
            capture=capture,
            line_out=line_out,
            rooms=rooms,
            sockets=sockets,
            phase=lambda: conductor.phase,
            now_s=time.monotonic(),
        )
        box = Box(
            *(settings, board, conductor, fallback, capture, line_out, rooms, sockets, lamps, vigil, memory, machine),
            [FeedbackCheck(capture.envelope, card.playback.envelope) for card in line_out.cards.values()],
            recording_ended,
        )
        routes = table(box, watch=board.watched)
        await stack.enter_async_context(server.serve(server.application(routes), box.socket))
        with _settled(board):
            yield box


@contextmanager
def _settled(board: Board) -> Iterator[None]:
    """What lives as long as the box is not looked at for garbage."""
    garbage.settle()
    board.watch(garbage.on_change)
    try:
        yield
    finally:
        board.unwatch(garbage.on_change)
        gc.unfreeze()  # soxr complains of what is left when the process ends


@contextmanager
def open_lamps(settings: LampSettings, *, board: Board, pins: Pins, memory: Memory) -> Iterator[Lamps]:
    """The lamps, showing what the board says until they go dark at the end; for another end `memory` keeps which they
    were. Raises PinsUnusable."""
    named = {"link": settings.link, "live": settings.live, "alert": settings.alert}
    named |= {lamp_table.language_lamp(place): lamp for place, lamp in enumerate(settings.languages)}
    given = {name: (lamp.place, lamp.active_high) for name, lamp in named.items() if lamp is not None}
    memory.keep_lamps(given)
    try:
        lamps = Lamps(pins=pins, lamps=given)

        def show(_: Status, status: Status) -> None:
            lamps.show(lamp_table.patterns(status))

        show(board.status, board.status)
        board.watch(show)
        try:
            yield lamps
        finally:
            board.unwatch(show)
            lamps.close()
    finally:
        pins.close()


async def _connections_closed() -> None:
    """Peer connections close in the background; what takes longer goes down with the process."""
    await asyncio.wait({asyncio.ensure_future(peers.closed())}, timeout=CLOSING_S)


def _conductor(
    settings: Settings,
    *,
    board: Board,
    memory: Memory,
    transports: Transports,
    line_in: Capture,
    line_out: LineOut,
    wall_clock: Clock,
    on_caption: Callable[[Caption], None],
) -> Conductor:
    """With what it is to remember, and sessions that wait for the clock."""
    menu, keys = settings.menu(), settings.session
    sessions = ClockGate(
        _sessions(settings, memory),
        board=board,
        trustworthy=lambda: wall_clock.signs().trustworthy,
        wait_s=settings.time.wait_for_sync_s if settings.palabra.is_encrypted else 0.0,
    )
    return Conductor(
        board=board,
        menu=menu,
        instant=keys.switching == "instant",
        sessions=sessions,
        transports=transports,
        line_in=line_in,
        line_out=line_out,
        intent=memory.intent(menu, settings.box.autostart),
        accounts=Accounts(paid_s=memory.paid_s, max_session_s=keys.max_session_s),
        renews=settings.box.autostart == "always",
        first_wait_s=memory.wait_s(),
        on_intent=memory.keep_intent,
        on_paid=memory.keep_paid,
        on_caption=on_caption,
        on_outage=journal.on_outage,
        idle=Idle(keys.idle_pause_after_s),
    )


def _floor_rules(settings: Settings) -> FloorRules:
    keys = settings.fallback
    return FloorRules(
        fallback=None if keys.mode == "silence" else Programme(keys.mode),
        after_s=keys.after_s,
        return_after_s=keys.return_after_s,
        off_air=Programme(settings.audio.output.off_air),
    )


def _sockets() -> AudioSockets:
    return AudioSockets(
        new_decoder=lambda: OpusDecoder(rate_hz=socket_audio.RATE_HZ),
        new_encoder=lambda: OpusEncoder(rate_hz=socket_audio.RATE_HZ),
    )


def _transports(settings: Settings, rooms: Rooms, sockets: AudioSockets) -> Transports:
    """Over the WebSocket the sound's own socket is the control, too: no second one is opened."""
    connect, session = management_socket.connect, settings.session
    own = Controls(setting="datachannel", connect=connect, link_name="websocket")
    return Transports(
        setting=session.transport,
        webrtc=Transport("webrtc", rooms, Controls(setting=session.control, connect=connect)),
        websocket=Transport("websocket", sockets, own),
        fallback_after_s=session.transport_fallback_after_s,
    )


def _sessions(settings: Settings, memory: Memory) -> SessionClient:
    """With the end of a session split over what it consists of: a late 201, the delete."""
    end_s = settings.session.end_timeout_s
    return SessionClient(
        base_url=settings.palabra.base_url,
        credentials=_credentials(settings),
        request=SessionRequest(
            subscriber_count=settings.session.subscriber_count,
            intent=settings.session.intent,
            publisher_can_subscribe=settings.session.publisher_can_subscribe,
        ),
        timeout_s=settings.palabra.request_timeout_s,
        in_flight_wait_s=0.4 * end_s,
        delete_timeout_s=0.5 * end_s,
        kept=memory,
        learn=logs.KNOWN.learn,
    )


def _credentials(settings: Settings) -> Credentials:
    credentials = settings.credentials
    if credentials.api_key is not None:
        return ApiKey(credentials.api_key.get_secret_value())
    assert credentials.client_id is not None and credentials.client_secret is not None  # see missing_for_run
    return ClientPair(credentials.client_id.get_secret_value(), credentials.client_secret.get_secret_value())
