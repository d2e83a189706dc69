"""No session is asked for over TLS before the clock can be trusted: certificates have dates (appliance M8)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from service.board import Board
from service.core.errors import Cause, CloudUnreachable
from service.core.ports import Sessions
from service.core.session import Session

log = logging.getLogger(__name__)

LOOK_S = 0.5


class ClockGate:
    """Promises `core.ports.Sessions`: those of `sessions`, the first after the clock is `trustworthy`, or `wait_s` at
    most. The board says that the box waits, and also when a certificate shows that the clock is wrong."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        board: Board,
        trustworthy: Callable[[], bool],
        wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions, self._board, self._trustworthy = sessions, board, trustworthy
        self._wait_s, self._clock = wait_s, clock
        self._until_s: float | None = None
        self._passed = wait_s == 0

    async def tidy(self) -> None:
        """At once: what an earlier process left open was opened by a good clock, in this same boot."""
        await self._sessions.tidy()

    @asynccontextmanager
    async def open(self, *, publisher_can_subscribe: bool = False) -> AsyncIterator[Session]:
        """A new session; deleted on every way out. Raises Retryable or NeedsPerson."""
        if not self._passed:
            await self._wait()
        async with AsyncExitStack() as stack:
            opening = self._sessions.open(publisher_can_subscribe=publisher_can_subscribe)
            wrong = False
            try:
                session = await stack.enter_async_context(opening)
            except CloudUnreachable as error:
                wrong = error.cause is Cause.CLOCK and not self._trustworthy()
                raise
            finally:
                self._board.update(waiting_for_clock=wrong)
            yield session

    async def _wait(self) -> None:
        if self._until_s is None:
            self._until_s = self._clock() + self._wait_s
        try:
            while not self._trustworthy():
                if self._clock() >= self._until_s:
                    log.warning("the clock was not set within %g s: going on with the time it has", self._wait_s)
                    break
                self._board.update(waiting_for_clock=True)
                await asyncio.sleep(LOOK_S)
            self._passed = True
        finally:
            self._board.update(waiting_for_clock=False)
