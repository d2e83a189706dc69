import math

import pytest

from service.core.idle import Idle

NEVER = -math.inf


def first_pause(idle: Idle, *, from_s: int, to_s: int, spoke_s: float = NEVER) -> int | None:
    """The second at which it pauses."""
    return next((now_s for now_s in range(from_s, to_s) if idle.look(now_s, spoke_s=spoke_s)), None)


def test_silence_is_counted_from_live_or_from_the_last_word():
    assert first_pause(Idle(30), from_s=100, to_s=200) == 130
    assert first_pause(Idle(30), from_s=100, to_s=200, spoke_s=50) == 130  # that was before the broadcast
    assert first_pause(Idle(30), from_s=100, to_s=200, spoke_s=120) == 150


def test_without_a_setting_nobody_is_paused():
    assert first_pause(Idle(None), from_s=0, to_s=10_000) is None


def test_it_says_so_once_and_stays_paused_until_somebody_is_there():
    idle = Idle(30)
    assert first_pause(idle, from_s=0, to_s=100) == 30
    assert first_pause(idle, from_s=31, to_s=1000) is None and idle.paused
    idle.awake(1000)
    assert not idle.paused
    assert first_pause(idle, from_s=1000, to_s=1100) == 1030


def test_a_lost_link_does_not_begin_the_silence_anew():
    idle = Idle(30)
    idle.look(0, spoke_s=NEVER)
    assert idle.look(40, spoke_s=NEVER)  # nobody looked in between: it was not live


@pytest.mark.parametrize("paused", [False, True])
def test_after_a_rest_the_silence_is_counted_from_live_again(paused):
    idle = Idle(30)
    assert first_pause(idle, from_s=0, to_s=31 if paused else 20) == (30 if paused else None)
    idle.rest()
    assert not idle.paused
    assert first_pause(idle, from_s=500, to_s=600) == 530


def test_a_later_word_counts_and_an_earlier_one_takes_nothing_back():
    idle = Idle(30)
    idle.look(80, spoke_s=NEVER)
    idle.awake(100)
    idle.awake(90)
    assert first_pause(idle, from_s=100, to_s=200, spoke_s=95) == 130


def test_who_speaks_off_air_begins_no_silence():
    idle = Idle(30)
    idle.awake(10)
    assert first_pause(idle, from_s=500, to_s=600) == 530
