"""The two connections of one client, which are never cut off while they are being described."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Closing(Protocol):
    """A peer connection."""

    def close(self) -> None: ...


class Connections:
    """Closes them together, once nothing is under way: one that is closed while it gathers leaks its sockets."""

    def __init__(self, *connections: Closing) -> None:
        self._connections = connections
        self._under_way, self._unwanted, self._closed = 0, False, asyncio.Event()

    async def whole(self, describing: Coroutine[Any, Any, T]) -> T:
        """Do this to the end, also when whoever waits for it is cancelled."""

        async def counted() -> T:
            self._under_way += 1
            try:
                return await describing
            finally:
                self._under_way -= 1
                self._close_if_idle()

        return await asyncio.shield(asyncio.ensure_future(counted()))

    def close(self) -> None:
        """Close them now, or as soon as nothing is under way."""
        self._unwanted = True
        self._close_if_idle()

    async def closed(self) -> None:
        """Wait until they have been closed."""
        await self._closed.wait()

    def _close_if_idle(self) -> None:
        if self._unwanted and not self._under_way:
            for connection in self._connections:
                connection.close()
            self._closed.set()
