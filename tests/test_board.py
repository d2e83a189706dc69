from service.board import Board
from service.core.phase import Phase


def test_watchers_hear_of_changes_only():
    board, heard = Board(), []
    board.watch(lambda before, after: heard.append((before.phase, after.phase)))
    board.update(phase=Phase.READY)
    board.update(phase=Phase.READY)
    assert heard == [(Phase.STARTING, Phase.READY)]
    assert board.status.phase is Phase.READY
