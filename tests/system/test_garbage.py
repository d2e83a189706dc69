import gc
import weakref
from dataclasses import replace

import pytest

from service.core.phase import Phase
from service.core.status import Status
from service.system.garbage import on_change, settle


class Session:
    """A ring, as a session's objects are: only a collection frees it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _thawed():
    automatic = gc.isenabled()
    gc.disable()
    yield
    gc.unfreeze()
    if automatic:
        gc.enable()


def step(before: Phase, after: Phase) -> None:
    on_change(replace(Status(), phase=before), replace(Status(), phase=after))


def test_what_a_live_session_consists_of_is_looked_at_no_more():
    settle()
    session = Session()
    frozen = gc.get_freeze_count()
    step(Phase.PREPARING, Phase.LIVE)
    assert gc.get_freeze_count() > frozen
    assert session not in gc.get_objects()


def test_before_the_next_session_everything_of_the_last_one_is_freed():
    session = Session()
    left = weakref.ref(session)
    step(Phase.PREPARING, Phase.LIVE)
    del session
    step(Phase.LIVE, Phase.READY)
    gc.collect()
    assert left() is not None  # frozen
    step(Phase.READY, Phase.CREATING)
    assert left() is None
    assert gc.get_freeze_count() > 0


@pytest.mark.parametrize("phase", [Phase.LIVE, Phase.CREATING])
def test_whatever_else_changes_on_the_board_costs_nothing(phase):
    session = Session()
    step(phase, phase)
    assert session in gc.get_objects()
