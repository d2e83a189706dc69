import asyncio

from service.board import Board
from service.core.errors import FaultCode
from service.core.phase import Phase
from service.core.status import Fault


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


def test_what_others_said_is_shown_without_secrets():
    board = Board(hide=lambda text: text.replace("c4n4ry", "[hidden]"))
    heard = []
    board.watch(lambda before, after: heard.append(after))
    fault = Fault(FaultCode.CREDENTIALS, "CloudRejected", "the cloud refuses c4n4ry")
    board.update(phase=Phase.FAULT, fault=fault, refusal="no c4n4ry here")
    board.update(fault=fault)  # the same picture
    (shown,) = heard
    assert shown.fault.detail == "the cloud refuses [hidden]" and shown.refusal == "no [hidden] here"


def test_the_last_fault_is_known_when_it_is_over():
    board = Board()
    first, second = (Fault(FaultCode.NETWORK, name, "gone") for name in ("CloudUnreachable", "LinkLost"))
    for fault in (first, second, None):
        board.update(fault=fault)
    assert (board.status.fault, board.status.last_fault) == (None, second)
