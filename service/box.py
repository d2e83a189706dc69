"""A running box: its parts, what it shows of them, and what it watches over."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from service import pictures
from service.board import Board
from service.cloud.audio_socket import AudioSockets
from service.conductor import Conductor
from service.core import lamps as lamp_table
from service.core.commands import Command
from service.core.languages import Menu
from service.core.phase import Phase
from service.core.routes import NoSuchRoute, channel_names
from service.core.status import Fault, as_json
from service.dsp.feedback import NOTICE as FEEDBACK
from service.dsp.feedback import FeedbackCheck
from service.dsp.limiter import NOTICE as TOO_LOUD
from service.dsp.sides import NOTICE as SIDES_CANCEL
from service.fallback import Fallback
from service.gpio.lamps import Lamps
from service.lines import route_of
from service.machine import Machine
from service.memory import Memory
from service.room.rooms import Rooms
from service.settings import Settings
from service.sound.capture import Capture
from service.sound.line_out import Card, LineOut
from service.sound.tone import Tone
from service.system.addresses import host_addresses
from service.vigil import Vigil
from service.web.answers import Broken, Refused
from service.web.orders import ToneOrder

VERSION = version("boothd")  # looked up in files
LAMP_TEST_S = 1.0
SOUND_POLL_S = 0.1
ADDRESS_POLL_S = 1.0
FEEDBACK_LOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class Box:
    """The parts of a running box."""

    settings: Settings
    board: Board
    conductor: Conductor
    fallback: Fallback
    capture: Capture
    line_out: LineOut
    rooms: Rooms
    sockets: AudioSockets
    lamps: Lamps
    vigil: Vigil
    memory: Memory
    machine: Machine
    feedback: Sequence[FeedbackCheck]  # one for each card of line-out
    recording_ended: threading.Event  # a WAV line-in has been played to its end

    @property
    def socket(self) -> Path:
        """Where local control is served."""
        return Path(self.settings.http.socket)

    def picture(self) -> dict[str, Any]:
        """Everything there is to show, as JSON data."""
        return {
            "name": self.settings.box.name,
            "version": VERSION,
            **as_json(self.board.status),
            "session_age_s": self._session_age_s(),
            "paid_s": self._paid_s(),
            "lamps": {name: pattern.name for name, pattern in lamp_table.patterns(self.board.status).items()},
            "levels": {
                "input": asdict(self.capture.level),
                "output": asdict(self.line_out.level),
            },
            "devices": {
                "input": {"lost": self.capture.lost, "backlog_s": self.capture.backlog_s},
                "output": {"lost": next(map(str, self.line_out.faults), None)},
                "outputs": [_card(device, card) for device, card in self.line_out.cards.items()],
            },
            "frames": self.frames(),
            "xruns": self.xruns(),
        }

    def _session_age_s(self) -> float | None:
        age_s = self.conductor.accounts.age_s(time.monotonic())
        return None if age_s is None else round(age_s, 1)

    def _paid_s(self) -> dict[str, float]:
        now_s, accounts = time.monotonic(), self.conductor.accounts
        return {"session": round(accounts.paid_s(now_s), 1), "total": round(accounts.total_s(now_s), 1)}

    def levels(self) -> dict[str, Any]:
        """How loud it is on every channel, as JSON data."""
        return pictures.levels(self.settings, line_in=self.capture, line_out=self.line_out)

    def devices(self) -> dict[str, Any]:
        """Every sound device of the machine, and what is used here, as JSON data. Reads files."""
        return pictures.devices(self.settings, line_in=self.capture, line_out=self.line_out)

    def menu(self) -> Menu:
        """The pairs of the LANG button."""
        return self.settings.menu()

    def ask(self, command: Command) -> None:
        """A wish, from wherever it comes."""
        self.conductor.ask(command)

    def tone(self, order: ToneOrder) -> None:
        """Play a test tone, or end it. Raises Refused where people would hear it unasked, or nobody would."""
        if not order.seconds:
            self.line_out.tone(None)
            return
        if self.board.status.phase is Phase.LIVE and not order.force:
            raise Refused("a translation is on air; whoever wants the tone over it has to ask with force")
        if self.board.status.muted:
            raise Refused("line-out is muted: unmute it first")
        try:
            device, channel = route_of(self.settings, order.route, order.channel)
        except NoSuchRoute as mistake:
            raise Refused(str(mistake)) from None
        lost = [card.playback.lost for name, card in self.line_out.cards.items() if device in (None, name)]
        if None not in lost:
            raise Broken(str(lost[0]))
        tone = Tone(hz=order.hz, level_dbfs=order.level_dbfs, seconds=order.seconds, channel=channel)
        self.line_out.tone(tone, device=device)

    def frames(self) -> dict[str, int]:
        """What became of the frames of sound, counted since the start."""
        out = self.line_out.frames
        return {
            "captured": self.capture.captured,
            "sent": self.rooms.packets_sent + self.sockets.packets_sent,
            **out,
            "dropped": self.capture.dropped + out["dropped"],
        }

    def xruns(self) -> dict[str, int]:
        """Overruns of line-in, underruns of line-out."""
        return {"input": self.capture.xruns, "output": self.line_out.xruns}


def _card(device: str, card: Card) -> dict[str, Any]:
    playback, levels = card.playback, card.playback.levels
    return {
        "device": device,
        "lost": playback.lost,
        "periods": playback.played,
        "played_ago_s": round(time.monotonic() - playback.played_s, 2),
        "xruns": playback.xruns,
        "reopens": playback.reopens,
        "buffer_ms": playback.buffer_ms,
        "levels": {name: asdict(level) for name, level in zip(channel_names(len(levels)), levels, strict=True)},
        "playouts": {language: asdict(state) for language, state in card.tracks.playouts.items()},
    }


async def run_box(box: Box) -> None:
    """Play the story until cancelled; whatever has to be ended then is ended, within the settings' time."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_test_lamps(box.board))
        tasks.create_task(_watch_sound(box))
        tasks.create_task(_watch_playing(box))
        tasks.create_task(_watch_feedback(box))
        tasks.create_task(_watch_addresses(box))
        tasks.create_task(box.machine.run())
        tasks.create_task(box.fallback.run())
        tasks.create_task(box.conductor.run())


async def _test_lamps(board: Board) -> None:
    board.update(lamp_test=True)
    await asyncio.sleep(LAMP_TEST_S)
    board.update(lamp_test=False)


async def _watch_sound(box: Box) -> None:
    """Leave threads that hang behind; tell the conductor of lost and returned cards, the board of what is odd."""
    while True:
        box.vigil.look(time.monotonic())
        box.conductor.sound(_sound_fault(box), partly=box.capture.fault is None and not box.line_out.dead)
        box.board.update(
            input_silent=box.capture.level.silent, sound_notices=tuple(_odd(box)), box_notices=_box_notices(box)
        )
        await asyncio.sleep(SOUND_POLL_S)


def _sound_fault(box: Box) -> Fault | None:
    """The first card that is lost; line-in goes before line-out."""
    line_in = str(box.settings.audio.input.device), box.capture.fault
    lost = (line_in, *((device, card.playback.fault) for device, card in box.line_out.cards.items()))
    faults = (Fault(why.code, type(why).__name__, str(why), device) for device, why in lost if why is not None)
    return next(faults, None)


async def _watch_playing(box: Box) -> None:
    """Say whether line-out goes on, apart from all other supervision: LIVE must not be lit when it does not."""
    while True:
        box.board.update(playing=box.vigil.playing(time.monotonic()))
        await asyncio.sleep(SOUND_POLL_S)


def _odd(box: Box) -> Iterator[str]:
    if box.capture.sides_cancel:
        yield SIDES_CANCEL
    if any(check.warning for check in box.feedback):
        yield FEEDBACK
    if any(card.playback.too_loud for card in box.line_out.cards.values()):
        yield TOO_LOUD


def _box_notices(box: Box) -> tuple[str, ...]:
    return (*(() if box.memory.problem is None else (box.memory.problem,)), *box.machine.notices)


async def _watch_feedback(box: Box) -> None:
    while True:
        await asyncio.sleep(FEEDBACK_LOOK_S)
        for check in box.feedback:
            check.look(time.monotonic())  # 1 ms


async def _watch_addresses(box: Box) -> None:
    """Another network: media that went by an address that is gone is lost, and whoever waits for a network need not."""
    before = host_addresses()
    while True:
        await asyncio.sleep(ADDRESS_POLL_S)
        now = host_addresses()
        if now != before:
            before = now
            box.rooms.moved(now)
            box.conductor.look_again()
