"""The way by which commands reach the cloud: the seed's WebSocket or the room's data channel (palabra-api 2.9)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Literal, Protocol

from service.concurrency import LatestQueue
from service.core.errors import Retryable, SessionLost
from service.core.ports import RoomLink
from service.core.session import Session

log = logging.getLogger(__name__)

ControlSetting = Literal["auto", "websocket", "datachannel"]
MESSAGES_WAITING = 256
TRANSLATOR = "palabra_translator"
TRANSLATOR_S = 10.0  # then go on without having seen it (palabra-api 2.1)


class Socket(Protocol):
    """The management WebSocket."""

    def messages(self) -> AsyncIterator[bytes]:
        """Messages in order; ends or raises Retryable when the socket is closed."""

    async def send(self, message: bytes) -> None:
        """Send one message. Raises Retryable."""


Connect = Callable[[str, str], AbstractAsyncContextManager[Socket]]


class Control:
    """One session's control. Messages are heard on both ways; commands go by one, never by two."""

    def __init__(self, link: RoomLink, name: str) -> None:
        self._link, self._name = link, name
        self._socket: Socket | None = None
        self._stack = AsyncExitStack()
        self._heard = LatestQueue[bytes | BaseException](MESSAGES_WAITING)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """Which way commands go now."""
        return self._name if self._socket is None else "websocket"

    async def messages(self) -> AsyncIterator[bytes]:
        """Management messages, from the WebSocket and the data channel. Raises Retryable when the only way closed."""
        while True:
            heard = await self._heard.get()
            if isinstance(heard, BaseException):
                raise heard
            yield heard

    async def send(self, message: bytes) -> None:
        """Send one command. Raises Retryable."""
        await (self._socket or self._link).send(message)

    async def listener(self) -> None:
        """Wait until somebody is there to take commands: at once over the WebSocket, else when the translator has
        joined the room, which hears nothing that was sent before."""
        if self._socket is None:
            try:
                async with asyncio.timeout(TRANSLATOR_S):
                    await self._link.present(TRANSLATOR)
            except TimeoutError:
                log.warning("no translator in the room after %g s; going on all the same", TRANSLATOR_S)

    async def to_datachannel(self) -> None:
        """Close the WebSocket, then speak over the data channel for the rest of the session."""
        self._socket = None
        await self._stack.aclose()

    def _listen(self, messages: AsyncIterator[bytes]) -> asyncio.Task[None]:
        async def listen() -> None:
            async for message in messages:
                self._heard.push(message)

        task = asyncio.ensure_future(listen())
        self._tasks.add(task)
        return task


class Controls:
    """Opens a session's control, and remembers over sessions which way works. `link_name` is the link's own way."""

    def __init__(self, *, setting: ControlSetting, connect: Connect, link_name: str = "datachannel") -> None:
        self._setting, self._connect, self._link_name = setting, connect, link_name
        self._websocket_failed = False

    @property
    def may_fall_back(self) -> bool:
        """Whether a silent WebSocket may be given up for the data channel."""
        return self._setting == "auto"

    @asynccontextmanager
    async def open(self, session: Session, link: RoomLink) -> AsyncIterator[Control]:
        """The control of this session. Raises Retryable when the WebSocket is the only way allowed and is refused."""
        control = Control(link, self._link_name)
        control._listen(link.messages())
        try:
            if self._setting == "websocket" or (self._setting == "auto" and not self._websocket_failed):
                await self._open_socket(control, session)
            yield control
        finally:
            for task in control._tasks:
                task.cancel()
            await asyncio.gather(*control._tasks, return_exceptions=True)
            await control._stack.aclose()

    async def _open_socket(self, control: Control, session: Session) -> None:
        try:
            if session.ws_url is None:
                raise SessionLost("the session names no control URL")
            socket = await control._stack.enter_async_context(self._connect(session.ws_url, session.publisher))
        except Retryable as problem:
            if not self.may_fall_back:
                raise
            self.give_up_websocket(str(problem))
            return
        control._socket = socket
        control._listen(socket.messages()).add_done_callback(lambda task: self._on_closed(control, socket, task))

    def _on_closed(self, control: Control, socket: Socket, task: asyncio.Task[None]) -> None:
        if task.cancelled() or control._socket is not socket:
            return
        problem = task.exception()
        control._socket = None
        if not self.may_fall_back or not isinstance(problem, Retryable | None):
            control._heard.push(problem or SessionLost("the control socket was closed"))
            return
        log.warning("the control socket was closed; commands go over the data channel for the rest of this session")

    def give_up_websocket(self, why: str) -> None:
        """Use the data channel from now on, and say so once."""
        if not self._websocket_failed:
            self._websocket_failed = True
            log.warning("control goes over the room's data channel: %s", why)
