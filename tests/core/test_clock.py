import pytest

from service.core.clock import ClockSigns, Steps

BUILT_S = 1_700_000_000.0


@pytest.mark.parametrize(
    ("synchronised", "in_time", "now_s", "trustworthy"),
    [
        (True, True, BUILT_S + 1, True),
        (True, False, 0.0, True),  # files may come from a clock that was wrong once
        (False, True, BUILT_S + 1, False),  # it is about to be set
        (False, False, BUILT_S + 1, True),  # nobody will ever set it, and it may be right
        (False, False, BUILT_S - 1, False),  # it cannot be right
        (False, True, 0.0, False),
    ],
)
def test_which_clock_is_trustworthy(synchronised, in_time, now_s, trustworthy):
    signs = ClockSigns(synchronised=synchronised, in_time=in_time, now_s=now_s, past_s=BUILT_S)
    assert signs.trustworthy == trustworthy


def test_a_step_is_told_once_and_a_clock_that_is_slewed_makes_none():
    steps, ahead_s = Steps(), 1_700_000_000.0
    assert [steps.look(ahead_s + s + s * 500e-6, s) for s in range(10)] == [0.0] * 10
    assert steps.look(ahead_s + 1e9 + 10, 10) == pytest.approx(1e9, abs=1)
    assert steps.look(ahead_s + 1e9 + 11, 11) == 0.0
    assert steps.look(ahead_s + 12, 12) == pytest.approx(-1e9)
