"""The watch over the machine, in virtual time."""

import asyncio

from service.core.temper import Change, Reading, Trouble
from service.machine import Machine
from tests.test_conductor import story


class Board:
    """A machine's clock and board; `told` is what was made known."""

    def __init__(self) -> None:
        self.told: list[Change | str] = []
        self.ahead_s = 1_700_000_000.0
        self.reading = Reading(bits=0)
        self.looks = 0
        self.machine = Machine(
            time_of_day_s=lambda: self.ahead_s + asyncio.get_running_loop().time(),
            read_board=self.read,
            on_step=lambda: self.told.append("step"),
            on_change=self.told.append,
            clock=asyncio.get_running_loop().time,
        )
        self.running = asyncio.ensure_future(self.machine.run())

    def read(self) -> Reading:
        self.looks += 1
        return self.reading

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


@story
async def test_a_clock_that_is_set_is_told_within_a_second(caplog):
    board = Board()
    await asyncio.sleep(100)
    for step_s in (30 * 365.25 * 86400, -30 * 365.25 * 86400):
        board.ahead_s += step_s
        await asyncio.sleep(1.1)
    await asyncio.sleep(100)
    assert board.told == ["step", "step"]
    assert caplog.messages == ["the clock was set by +946728000 s", "the clock was set by -946728000 s"]
    await board.stop()


@story
async def test_the_board_is_looked_at_rarely_and_what_it_says_is_a_notice():
    board = Board()
    await asyncio.sleep(100)
    assert board.looks <= 21 and board.machine.notices == ()
    board.reading = Reading(bits=0x50005)
    await asyncio.sleep(5.1)
    assert board.machine.notices == (Trouble.POWER.value,) and board.told == [Change(Trouble.POWER, began=True)]
    board.reading = Reading(bits=0x50000)
    await asyncio.sleep(70)
    assert board.machine.notices == () and [change.began for change in board.told] == [True, False]
    await board.stop()
