import asyncio

import pytest

from service.concurrency import LatestQueue, first_of


async def test_the_others_are_ended_and_waited_for_and_what_was_raised_is_raised():
    told: list[str] = []

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("ended")

    async def short(problem: Exception | None) -> None:
        await asyncio.sleep(0)
        if problem is not None:
            raise problem

    await first_of(long(), short(None), long())
    assert told == ["ended"] * 2
    with pytest.raises(ValueError, match="this"):
        await first_of(long(), short(ValueError("this")))


async def test_a_full_queue_loses_its_oldest():
    queue = LatestQueue[int](2)
    for item in range(4):
        queue.push(item)
    assert [queue.get_nowait(), queue.get_nowait()] == [2, 3]
