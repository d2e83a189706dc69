"""When the first session is asked for, in virtual time."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from service.board import Board
from service.clock_gate import ClockGate
from service.core.commands import End, NextPair
from service.core.errors import Cause, CloudUnreachable, FaultCode, LinkLost
from service.core.lamps import LampClass, lamp_class
from service.core.phase import Phase
from service.core.status import summary
from tests.fakes.parts import World
from tests.test_conductor import stage, story

WRONG = CloudUnreachable("the certificate is out of date", code=FaultCode.BOX, cause=Cause.CLOCK)


class Desk:
    """A gate whose clock is `right` or not."""

    def __init__(self, *, wait_s: float = 90.0) -> None:
        self.world, self.board, self.right = World(), Board(), False
        self.board.update(phase=Phase.CREATING)
        self.gate = ClockGate(
            self.world,
            board=self.board,
            trustworthy=lambda: self.right,
            wait_s=wait_s,
            clock=asyncio.get_running_loop().time,
        )

    async def open_s(self) -> float:
        """How long it takes to have a session."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with self.gate.open():
            return loop.time() - began_s


@asynccontextmanager
async def opening(desk: Desk):
    task = asyncio.create_task(desk.open_s())
    await asyncio.sleep(1)
    yield task


@story
async def test_it_waits_for_the_clock_and_shows_it():
    desk = Desk()
    async with opening(desk) as task:
        await asyncio.sleep(20)
        assert desk.world.said == [] and desk.board.status.waiting_for_clock
        assert lamp_class(desk.board.status) is LampClass.CLOCK and "waiting for the clock" in summary(
            desk.board.status
        )
        desk.right = True
        assert await task == pytest.approx(21, abs=0.6)
    assert not desk.board.status.waiting_for_clock


@story
async def test_after_so_long_it_goes_on_all_the_same_with_one_warning(caplog):
    desk = Desk()
    assert await desk.open_s() == pytest.approx(90, abs=0.6)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert await desk.open_s() == 0 and len(caplog.records) == 1


@pytest.mark.parametrize(("right", "wait_s"), [(True, 90.0), (False, 0.0)])
@story
async def test_a_good_clock_and_no_patience_cost_no_time(right, wait_s):
    desk = Desk(wait_s=wait_s)
    desk.right = right
    assert await desk.open_s() == 0


@story
async def test_who_gives_up_and_comes_back_waits_no_longer_in_all():
    desk = Desk()
    async with opening(desk) as task:
        await asyncio.sleep(59)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not desk.board.status.waiting_for_clock
    assert await desk.open_s() == pytest.approx(30, abs=0.6)


@pytest.mark.parametrize("right", [False, True])
@story
async def test_a_certificate_that_is_out_of_date_shows_unless_the_clock_is_right(right):
    desk = Desk(wait_s=0.0)
    desk.right = right
    desk.world.refuse_create = [WRONG, CloudUnreachable("no answer")]
    for waiting in (not right, False):
        with pytest.raises(CloudUnreachable):
            await desk.open_s()
        assert desk.board.status.waiting_for_clock == waiting


def wrong_clock(world: World, board: Board) -> ClockGate:
    """Nobody waits for it, and no certificate is valid."""
    world.refuse_create = [WRONG] * 100
    return ClockGate(world, board=board, trustworthy=lambda: False, wait_s=0.0, clock=asyncio.get_running_loop().time)


@story
async def test_a_clock_that_is_wrong_is_its_own_cause_and_ends_with_the_step():
    async with stage(sessions=wrong_clock) as box:
        await asyncio.sleep(300)
        await box.until(Phase.WAITING)
        assert lamp_class(box.status) is LampClass.CLOCK and box.status.network and box.status.fault.code == 6
        await asyncio.sleep(0.1)
        box.world.refuse_create.clear()
        box.conductor.look_again()
        await box.until(Phase.LIVE, 1)
        assert not box.status.waiting_for_clock


@story
async def test_a_live_box_that_cannot_come_back_for_its_clock_says_so():
    async with stage(sessions=wrong_clock) as box:
        box.world.refuse_create.clear()
        await box.until(Phase.LIVE)
        box.world.refuse_create = [WRONG] * 3
        box.world.links[0].lose(LinkLost("the media are silent", cause=Cause.MEDIA))
        await box.until(Phase.WAITING)
        await box.until(Phase.LIVE)
        assert [outage.cause for outage in box.outages] == [Cause.CLOCK]


@story
async def test_off_air_nobody_waits_for_a_clock():
    async with stage(sessions=wrong_clock) as box:
        await asyncio.sleep(10)
        await box.until(Phase.WAITING)
        box.conductor.ask(End())
        await box.until(Phase.READY)
        assert lamp_class(box.status) is LampClass.READY


@story
async def test_a_wish_is_kept_while_the_box_waits():
    def gate(world: World, board: Board) -> ClockGate:
        clock = asyncio.get_running_loop().time
        return ClockGate(world, board=board, trustworthy=lambda: False, wait_s=60.0, clock=clock)

    async with stage(sessions=gate) as box:
        await box.until(Phase.CREATING)
        await asyncio.sleep(30)
        box.conductor.ask(NextPair())
        assert box.status.phase is Phase.CREATING and box.status.waiting_for_clock
        await box.until(Phase.LIVE)
        assert box.said == ["create", "join", "set_task fr"]
