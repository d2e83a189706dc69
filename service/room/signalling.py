"""The signalling of one joined room: one socket after another, resumed while the server still knows us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import chain, repeat

import aiohttp
from livekit.protocol.rtc import JoinResponse

from service.core.errors import Cause, LinkLost, TokenRefused
from service.room import signal_client
from service.room import signal_protocol as signal

log = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 10.0
LEAVE_TIMEOUT_S = 0.4
# While media lives nobody misses the signalling, and the server keeps us as long as ICE lives (4.1, 4.5).
RESUME_S = 30.0
RESUME_AFTER_S = (0.0, 0.3, 1.0, 2.0)
# Each of our two connections makes the server ask, a moment apart: one resume is for both.
BOTH_LOST_S = 0.2


async def _always() -> bool:
    return True


class ResumeRefused(LinkLost):
    """The server answered our resume, and it is no: only joining anew helps."""


@dataclass(slots=True)
class _Socket:
    """One open socket with all that has to be closed with it."""

    ws: aiohttp.ClientWebSocketResponse
    stack: AsyncExitStack = field(repr=False)


async def _open(url: str, token: str, resume_sid: str | None = None) -> _Socket:
    stack = AsyncExitStack()
    return _Socket(await stack.enter_async_context(signal_client.connect(url, token, resume_sid=resume_sid)), stack)


class Signalling:
    """Made by `open`. `protocol` reads and writes the messages; `resumes` counts how often a lost socket was replaced.

    Set `sync_state` to what says to the server what we believe, right after a resume (livekit-signalling 4.2), and
    `media_lives` to what finds out whether it is worth while.
    """

    def __init__(self, *, url: str, token: str, socket: _Socket, protocol: signal.SignalClient) -> None:
        self._url, self._token, self._socket = url, token, socket
        self._up = asyncio.Event()
        self._up.set()
        self.protocol = protocol
        self.sync_state: Callable[[], bytes] = bytes
        self.media_lives: Callable[[], Awaitable[bool]] = _always
        self.resumes = 0

    @property
    def token(self) -> str:
        """The newest one: the server renews it before it expires."""
        return self._token

    async def events(self) -> AsyncIterator[signal.ClientEvent]:
        """What the server says, `Resumed` after each resume; for one reader. Raises LinkLost when it is over."""
        while True:
            media_lost = False
            async for event in self._read():
                if isinstance(event, signal.Left) and event.action == "RESUME":
                    media_lost = True  # the server has not heard our media for 15 s, and waits 5 s for us
                    break
                if isinstance(event, signal.TokenRefreshed):
                    self._token = event.token
                yield event
            lost = "the room has lost our media" if media_lost else "the room's signalling was closed"
            self._up.clear()
            if media_lost:
                await asyncio.sleep(BOTH_LOST_S)
            await self._resume(f"{lost} (code {self._socket.ws.close_code})")
            self._up.set()
            yield signal.Resumed(media_lost=media_lost)

    async def send(self, frame: bytes) -> None:
        """Send one frame; while the signalling is being resumed it waits for that. Raises LinkLost."""
        await self._up.wait()
        try:
            await self._socket.ws.send_bytes(frame)
        except (aiohttp.ClientError, ConnectionError):
            raise LinkLost("the room's signalling is closed") from None

    async def keep_alive(self) -> None:
        """Ping for ever, and close a socket that is silent for too long: its reader then resumes."""
        while True:
            now_s = time.monotonic()
            if self._up.is_set():
                if self.protocol.silent_for_too_long(now_s):
                    await self._socket.ws.close()
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):  # its reader sees it, too
                    for frame in self.protocol.due(now_s):
                        await self._socket.ws.send_bytes(frame)
            await asyncio.sleep(1.0)

    async def again(self) -> None:
        """Drop the socket, so that it is resumed."""
        await self._socket.ws.close()

    async def close(self) -> None:
        """Say goodbye, and close within half a second."""
        ws = self._socket.ws
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await ws.send_bytes(self.protocol.leave())
                # The server answers with a leave of its own and closes; then nobody sees us as a ghost (3.11).
                while not ws.closed:
                    await ws.receive()
        except (TimeoutError, aiohttp.ClientError, ConnectionError):
            pass
        await self._socket.stack.aclose()

    async def _read(self) -> AsyncIterator[signal.ClientEvent]:
        async for frame in self._socket.ws:
            if frame.type is aiohttp.WSMsgType.BINARY or frame.type is aiohttp.WSMsgType.TEXT:
                for event in self.protocol.receive(frame.data, time.monotonic()):
                    yield event

    async def _resume(self, lost: str) -> None:
        log.info("%s; resuming", lost)
        until_s = time.monotonic() + RESUME_S
        for delay_s in chain(RESUME_AFTER_S, repeat(RESUME_AFTER_S[-1])):
            await asyncio.sleep(delay_s)
            try:
                await self._resume_once()
                break
            except TokenRefused as refusal:
                raise LinkLost(f"{lost}; {refusal}") from None
            except ResumeRefused:
                raise
            except LinkLost as problem:  # not reached
                if problem.cause is Cause.ROOM_GONE:  # nobody there resumes anything
                    raise LinkLost(f"{lost}; {problem}") from None
                if time.monotonic() + RESUME_AFTER_S[-1] > until_s or not await self.media_lives():
                    raise LinkLost(f"{lost}; {problem}", cause=problem.cause) from None
        self.resumes += 1
        log.info("the room's signalling is back")

    async def _resume_once(self) -> None:
        me = self.protocol.me
        assert me is not None  # we have joined
        await self._socket.stack.aclose()  # the last one, which broke or had nothing to say
        self._socket = await _open(self._url, self._token, me.sid)
        match await _first(self._socket.ws, self.protocol):
            case signal.Resumed():
                pass
            case signal.Left(reason, action):
                raise ResumeRefused(f"the room does not know us any more ({reason}, {action})")
            case _:
                raise ResumeRefused("the room took our resume for something else")
        try:
            await self._socket.ws.send_bytes(self.sync_state())
        except (aiohttp.ClientError, ConnectionError):
            raise LinkLost("the room's signalling broke again") from None


async def join(url: str, token: str) -> tuple[Signalling, JoinResponse]:
    """Open the signalling and join. Raises TokenRefused or LinkLost; to be closed by the caller otherwise."""
    socket = await _open(url, token)
    try:
        protocol = signal.SignalClient(time.monotonic())
        match await _first(socket.ws, protocol):
            case signal.Joined(response):
                info = response.server_info
                version = info.version or response.server_version
                log.info("joined a room on LiveKit %s, protocol %d", version, info.protocol)
                return Signalling(url=url, token=token, socket=socket, protocol=protocol), response
            case signal.Left(reason, action):
                raise LinkLost(f"the room refuses us ({reason}, {action})")
            case _:
                raise LinkLost("the room's first message is no join")
    except BaseException:
        await socket.stack.aclose()
        raise


async def _first(ws: aiohttp.ClientWebSocketResponse, protocol: signal.SignalClient) -> signal.ClientEvent | None:
    """What the first message says, which decides whether we are in."""
    try:
        frame = await ws.receive(timeout=JOIN_TIMEOUT_S)
    except TimeoutError:
        raise LinkLost("the room accepted the connection but said nothing") from None
    events = protocol.receive(frame.data, time.monotonic()) if frame.type is aiohttp.WSMsgType.BINARY else []
    return events[0] if events else None
