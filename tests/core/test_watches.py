import math

import pytest

from service.core.errors import Cause, SessionLost
from service.core.watches import DataWatch, SoundWatch


def look(watch: SoundWatch, begin_s: int, end_s: int, **seen: bool) -> list[int]:
    """At which seconds it asked."""
    facts = {"running": True, "translator": True, "track": True} | seen
    return [now_s for now_s in range(begin_s, end_s) if watch.look(now_s, **facts)]


def test_a_translator_that_leaves_is_missed_after_ten_seconds_of_running():
    watch = SoundWatch()
    look(watch, 0, 5)
    look(watch, 5, 100, translator=False, running=False)
    look(watch, 100, 110, translator=False)
    with pytest.raises(SessionLost, match="left the room") as caught:
        look(watch, 110, 112, translator=False)
    assert caught.value.cause is Cause.TRANSLATOR


def test_one_that_was_never_seen_is_not_missed():
    assert look(SoundWatch(), 0, 1000, translator=False) == []


def test_a_missing_track_is_asked_about_once_then_the_session_is_lost():
    watch = SoundWatch()
    assert look(watch, 0, 61, track=False) == [31]
    with pytest.raises(SessionLost, match="no track"):
        look(watch, 61, 62, track=False)


def test_a_track_that_comes_or_a_pause_starts_the_wait_anew():
    watch = SoundWatch()
    assert look(watch, 0, 40, track=False) == [31]
    look(watch, 40, 41)
    assert look(watch, 41, 70, track=False) == []
    look(watch, 70, 71, track=False, running=False)
    assert look(watch, 71, 120, track=False) == [101]


def test_data_are_waited_for_half_as_long_as_the_path_was_silent():
    watch = DataWatch()
    assert watch.look(0, alive=True, links=1) == 0
    assert watch.look(10, alive=False, links=1) == watch.look(50, alive=False, links=1) == math.inf
    assert watch.look(54, alive=True, links=1) == watch.look(60, alive=True, links=1) == 76


def test_a_new_link_answers_at_once():
    watch = DataWatch()
    watch.look(10, alive=False, links=1)
    assert watch.look(54, alive=True, links=2) == 0
