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
