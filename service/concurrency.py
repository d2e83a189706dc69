"""What every room needs of asyncio and asyncio does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def first_of(*work: Coroutine[Any, Any, Any]) -> None:
    """Run all until the first one ends; the others are cancelled and waited for. Raises what it raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


class LatestQueue(asyncio.Queue[T]):
    """Full when its reader is behind, or there is none: then the oldest is the least useful, and goes."""

    def push(self, item: T) -> None:
        """Put one in."""
        if self.full():
            self.get_nowait()
        self.put_nowait(item)
