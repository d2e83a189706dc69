"""What waits to be sent to one WebSocket, so that nobody ever waits for a slow or dead one."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web

WAITING_FRAMES = 256
CLOSE_S = 1.0


class Outbox:
    """Frames go out in order, by a task of its own. A client that does not read them is cut off."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        """`transport` is the socket's own, the request's: the only way to be rid of a peer that does not answer."""
        self._socket, self._transport = socket, transport
        # Full: the client is gone or too slow to ever catch up, and a gap would leave it with a false picture.
        self._frames: asyncio.Queue[bytes | str | None] = asyncio.Queue(WAITING_FRAMES)
        self._code: int | None = None
        self._writing = asyncio.ensure_future(self._write())

    def put(self, frame: bytes | str) -> None:
        """Send this after what is waiting; nothing after `close`."""
        if self._code is None and not self._writing.done():
            try:
                self._frames.put_nowait(frame)
            except asyncio.QueueFull:
                self.abort()

    def close(self, code: int = 1000) -> None:
        """Close with this code once everything has been sent, or within `CLOSE_S`; a second call changes nothing."""
        if self._code is None:
            self._code = code
            if self._frames.full():
                self.abort()
            else:
                self._frames.put_nowait(None)
                asyncio.get_running_loop().call_later(CLOSE_S, self._writing.cancel)

    def abort(self) -> None:
        """Close without a word; the socket's reader sees it."""
        self._writing.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        """Close, if nobody has, and wait for the end, `CLOSE_S` at most."""
        self.close()
        await asyncio.wait({self._writing})

    async def _write(self) -> None:
        try:
            while (frame := await self._frames.get()) is not None:
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    await self._socket.send_bytes(frame)
            await self._socket.close(code=self._code or 1000)
        except (aiohttp.ClientError, ConnectionError, RuntimeError):
            pass  # it is closed already: its reader knows
        except asyncio.CancelledError:
            if self._transport is not None:
                self._transport.abort()
            raise
