"""The machine that the box runs on: its clock when it is set, its power, its heat."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from service.core.clock import Steps
from service.core.temper import Change, Reading, Temper

log = logging.getLogger(__name__)

CLOCK_LOOK_S = 1.0
BOARD_LOOK_S = 5.0


class Machine:
    """Calls `on_step` when the clock has been set, `on_change` for each trouble of the board that begins or ends."""

    def __init__(
        self,
        *,
        time_of_day_s: Callable[[], float],
        read_board: Callable[[], Reading],
        on_step: Callable[[], None],
        on_change: Callable[[Change], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._time_of_day_s, self._read_board = time_of_day_s, read_board
        self._on_step, self._on_change, self._clock = on_step, on_change, clock
        self._temper = Temper()

    @property
    def notices(self) -> tuple[str, ...]:
        """What somebody should mend, a sentence each."""
        return tuple(trouble.value for trouble in self._temper.troubles)

    async def run(self) -> None:
        """Look until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_clock())
            tasks.create_task(self._watch_board())

    async def _watch_clock(self) -> None:
        steps = Steps()
        while True:
            step_s = steps.look(self._time_of_day_s(), self._clock())
            if step_s:
                log.warning("the clock was set by %+.0f s", step_s)
                self._on_step()
            await asyncio.sleep(CLOCK_LOOK_S)

    async def _watch_board(self) -> None:
        while True:
            for change in self._temper.look(self._clock(), self._read_board()):
                self._on_change(change)
            await asyncio.sleep(BOARD_LOOK_S)
