"""Tasks that stand and fall together: the first one that fails fails them all, and whoever waits hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from service.core.errors import LinkLost, ServiceError

T = TypeVar("T")


class Lifeline:
    """One link's. Only the first failure counts."""

    def __init__(self) -> None:
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failure.add_done_callback(seen)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def cut(self) -> bool:
        """Whether something has failed, or `close` was called."""
        return self._failure.done()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run this until `close`; what it raises is the failure of all."""

        async def guarded() -> None:
            try:
                await work
            except ServiceError as error:
                self.fail(error)
            except Exception as bug:
                if not self._failure.done():
                    self._failure.set_exception(bug)

        task = asyncio.ensure_future(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # cancelled before it began, it would not be awaited
        return task

    def fail(self, error: ServiceError) -> None:
        """Fail for a reason that shows elsewhere."""
        if not self._failure.done():
            self._failure.set_exception(error)

    async def failure(self) -> None:
        """Never returns: raises what failed."""
        await asyncio.shield(self._failure)

    async def within(self, wanted: asyncio.Future[T], timeout_s: float, otherwise: LinkLost) -> T:
        """`wanted`, unless something fails first or the time is over: then it is cancelled, and this raises."""
        try:
            futures: set[asyncio.Future[Any]] = {wanted, self._failure}
            await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not wanted.done():
                wanted.cancel()
        if self._failure.done():
            self._failure.result()
        if not wanted.done() or wanted.cancelled():
            raise otherwise
        return wanted.result()

    async def end_tasks(self) -> None:
        """Cancel them and wait for their end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Nothing can fail any more."""
        self._failure.cancel()


def seen(done: asyncio.Future[Any]) -> None:
    """Look at how it ended, whether or not anybody still waits for it: else asyncio complains of it later."""
    if not done.cancelled():
        done.exception()
