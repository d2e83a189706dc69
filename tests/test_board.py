import asyncio

from service.board import Board
from service.core.phase import Phase


def test_watchers_hear_of_changes_only():
    board, heard = Board(), []

    def watcher(before, after):
        heard.append((before.phase, after.phase))

    board.watch(watcher)
    board.update(phase=Phase.READY)
    board.update(phase=Phase.READY)
    assert heard == [(Phase.STARTING, Phase.READY)]
    board.unwatch(watcher)
    board.update(phase=Phase.LIVE)
    assert len(heard) == 1 and board.status.phase is Phase.LIVE


async def test_waiting_ends_with_the_first_picture_that_fits():
    board = Board()
    await asyncio.wait_for(board.until(lambda status: status.phase is Phase.STARTING), 1)
    waiting = asyncio.ensure_future(board.until(lambda status: status.muted))
    await asyncio.sleep(0)
    board.update(phase=Phase.READY)
    await asyncio.sleep(0)
    assert not waiting.done()
    board.update(muted=True)
    board.update(muted=False)
    await asyncio.wait_for(waiting, 1)
