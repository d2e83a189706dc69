"""Sessions at work: each one's management, the sockets that listen to it, and its interpreter."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace

import aiohttp
from aiohttp import web

from service.sandbox import pipe
from service.sandbox.management import ManagementTask, Output, State
from service.sandbox.orders import Close, Heard, Outgoing, Pause, Run, Said, Spoken
from service.sandbox.outbox import CLOSE_S, Outbox
from service.sandbox.tokens import Grant, TokenRefused

log = logging.getLogger(__name__)

TICK_S = 0.1
REJOIN_S = 1.0
HEARTBEAT_S = 30.0
MAX_MESSAGE_BYTES = 1 << 20
MAX_SOCKETS = 50  # per session
PAID = (State.RUNNING, State.ENDING)  # a pause costs nothing
CONNECTIONS_PER_MINUTE = 20  # per token, then close 1008 (palabra-api 3.7)


@dataclass(slots=True)
class _Session:
    publisher: str  # the only identity that may command
    joined_from_s: float  # the interpreter is not in the room before; never, if infinite
    task: ManagementTask
    outboxes: set[Outbox] = field(default_factory=set)
    connections: dict[str, deque[float]] = field(default_factory=dict)  # by identity: when, the latest ones
    rejoin_at_s: float = math.inf
    metered_s: float = math.inf  # until then its account is made

    def admits(self, identity: str, now_s: float) -> bool:
        """Whether one more management socket of this identity is within the limits."""
        recent = self.connections.setdefault(identity, deque(maxlen=CONNECTIONS_PER_MINUTE))
        admitted = len(recent) < CONNECTIONS_PER_MINUTE or now_s - recent[0] >= 60.0
        recent.append(now_s)
        return admitted and len(self.outboxes) < MAX_SOCKETS


class Hub:
    """One account's sessions, by room name.

    `order` speaks to the interpreter, `join` says how it joins a room, given the room and the publisher's identity;
    `verify` raises TokenRefused; `note(what, room, who)` is told of every command, `charge(room, seconds)` what has to
    be paid; `fault(name)` says whether a fault is switched on.
    """

    def __init__(
        self,
        *,
        order: Callable[[str, pipe.Order], None],
        join: Callable[[str, str], pipe.Join],
        verify: Callable[[str], Grant],
        note: Callable[[str, str, str], None],
        charge: Callable[[str, float], None] = lambda room, seconds: None,
        fault: Callable[[str], bool] = lambda name: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._order, self._join, self._verify, self._note = order, join, verify, note
        self._charge, self._fault, self._clock = charge, fault, clock
        self._sessions: dict[str, _Session] = {}
        self.mode = ""  # what interprets, as the interpreter said it

    def opened(self, room: str, *, publisher: str, task: ManagementTask, late_s: float = 0.0) -> None:
        """A session was created: its interpreter joins, so much later; never, if that is infinite."""
        session = self._sessions[room] = _Session(publisher, self._clock() + late_s, task)
        self._bring_in(room, session)

    def ended(self, room: str) -> None:
        """A session was deleted or lapsed."""
        session = self._sessions.pop(room, None)
        if session is not None:
            self._meter(room, session, self._clock())
            self._order(room, pipe.Leave())
            _close(session, 1000)

    async def close(self) -> None:
        """Close all sockets: the server goes down."""
        outboxes = [outbox for session in self._sessions.values() for outbox in session.outboxes]
        for session in self._sessions.values():
            _close(session, 1001)
        await asyncio.gather(*(outbox.closed() for outbox in outboxes))

    async def tick(self) -> None:
        """Let time pass, until cancelled."""
        while True:
            self.pass_time()
            await asyncio.sleep(TICK_S)

    def pass_time(self) -> None:
        """What time alone brings."""
        now_s = self._clock()
        for room, session in self._sessions.items():
            if now_s >= session.rejoin_at_s:
                self._bring_in(room, session)
            self._meter(room, session, now_s)
            self._out(room, session, session.task.tick(now_s))

    def _meter(self, room: str, session: _Session, now_s: float) -> None:
        if session.task.state in PAID and now_s > session.metered_s:
            self._charge(room, now_s - session.metered_s)
        session.metered_s = now_s

    # -- the interpreter ----------------------------------------------------------------------------------------

    def worker_started(self) -> None:
        """A new interpreter process knows nothing yet."""
        for room, session in self._sessions.items():
            self._bring_in(room, session)

    def _bring_in(self, room: str, session: _Session) -> None:
        session.rejoin_at_s = math.inf
        if self._clock() < session.joined_from_s:
            session.rejoin_at_s = session.joined_from_s
            return
        self._order(room, self._join(room, session.publisher))
        if session.task.current is not None:
            self._order(room, session.task.current)
            if session.task.state is State.PAUSED:
                self._order(room, Pause())

    def event(self, room: str, event: pipe.Event) -> None:
        """What the interpreter says."""
        if isinstance(event, pipe.Mode):
            self.mode = event.text
        session = self._sessions.get(room)
        if session is None:
            return
        match event:
            case pipe.Data(payload, sender):
                self._receive(room, session, payload, sender, identity=sender)
            case pipe.Listening(input_heard, queue_level_ms):
                if input_heard:
                    session.task.input_heard(self._clock())
                session.task.queued(queue_level_ms)
            case pipe.Finished():
                self._out(room, session, session.task.finished())
            case Heard() | Said():
                self._out(room, session, session.task.captions(event))
            case Spoken():
                self._out(room, session, session.task.spoken(event))
            case pipe.Gone(why):
                log.warning("the interpreter was lost from a room and joins it again: %s", why)
                session.rejoin_at_s = self._clock() + REJOIN_S

    # -- the management WebSocket -------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Any token of the session opens it (palabra-api 3.1); commands are the publisher's."""
        try:
            grant = self._verify(request.query.get("token", ""))
        except TokenRefused:
            return web.Response(status=403)
        if grant.room not in self._sessions:
            return web.Response(status=403)
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S, timeout=CLOSE_S)
        await socket.prepare(request)
        outbox = Outbox(socket, request.transport)
        try:
            await self._listen(grant, socket, outbox)
        finally:
            await outbox.closed()
        return socket

    async def _listen(self, grant: Grant, socket: web.WebSocketResponse, outbox: Outbox) -> None:
        session = self._sessions.get(grant.room)
        if session is None or not session.admits(grant.identity, self._clock()):
            outbox.close(1008)
            return
        session.outboxes.add(outbox)
        try:
            async for message in socket:
                if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    break
                self._receive(grant.room, session, message.data, outbox, identity=grant.identity)
                await asyncio.sleep(0)  # aiohttp does not, as long as it has messages
        finally:
            session.outboxes.discard(outbox)
            self._out(grant.room, session, session.task.gone(outbox))

    # -- both ways ----------------------------------------------------------------------------------------------

    def _receive(self, room: str, session: _Session, payload: bytes | str, sender: Hashable, *, identity: str) -> None:
        self._note(_kind(payload), room, identity)
        may_command = identity == session.publisher
        self._out(room, session, session.task.receive(payload, self._clock(), sender=sender, may_command=may_command))

    def _out(self, room: str, session: _Session, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case Outgoing(payload, to):
                    self._send(room, session, payload.decode(), to)
                case Close(code):
                    _close(session, code)
                case Run() if self._fault("voiceless"):
                    self._order(room, replace(output, spoken=False))
                case order:
                    self._order(room, order)
                    if isinstance(order, Pause) and self._fault("pause-drops-tracks"):
                        self._order(room, pipe.Unpublish())

    def _send(self, room: str, session: _Session, payload: str, to: Hashable | None) -> None:
        if to is None or isinstance(to, str):
            self._order(room, pipe.Send(payload, to, reliable=not self._fault("lossy-replies")))
        for outbox in session.outboxes:
            if to is None or to is outbox:
                outbox.put(payload)


def _close(session: _Session, code: int) -> None:
    for outbox in session.outboxes:
        outbox.close(code)


def _kind(payload: bytes | str) -> str:
    """The message_type of a command, for those who look on."""
    try:
        return str(json.loads(payload)["message_type"])[:40]
    except (ValueError, RecursionError, TypeError, LookupError):
        return "nonsense"
