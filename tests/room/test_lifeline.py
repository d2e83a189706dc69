import asyncio

import pytest

from service.core.errors import LinkLost
from service.room.lifeline import Lifeline


async def nothing() -> None:
    await asyncio.Event().wait()


async def broken(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("error", [LinkLost("first"), ZeroDivisionError("a bug")])
async def test_the_first_failure_is_that_of_all(error):
    line = Lifeline()
    line.start(nothing())
    line.start(broken(error))
    waiting = asyncio.get_running_loop().create_future()
    with pytest.raises(type(error), match=str(error)):
        await line.within(waiting, 5, LinkLost("too late"))
    assert waiting.cancelled() and line.cut
    line.fail(LinkLost("second"))
    with pytest.raises(type(error)):
        await line.failure()
    await line.end_tasks()
    line.close()


async def test_what_does_not_come_in_time_is_given_up():
    line, loop = Lifeline(), asyncio.get_running_loop()
    late, soon = loop.create_future(), loop.create_future()
    soon.set_result("here")
    assert await line.within(soon, 5, LinkLost("too late")) == "here"
    with pytest.raises(LinkLost, match="too late"):
        await line.within(late, 0.01, LinkLost("too late"))
    assert late.cancelled() and not line.cut


async def test_the_end_leaves_no_task_and_no_complaint():
    line = Lifeline()
    begun = line.start(nothing())
    await asyncio.sleep(0)
    not_begun = line.start(nothing())  # a coroutine that is never awaited would be a warning, and so an error
    await line.end_tasks()
    line.close()
    assert begun.cancelled() and not_begun.cancelled() and line.cut
    lost = Lifeline()
    lost.fail(LinkLost("nobody asks"))
    lost.close()
    await asyncio.sleep(0)
