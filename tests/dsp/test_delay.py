import random

import pytest

from service.dsp.delay import DelayEstimator


def jitter_after(seconds, *, jitter_s=0.0, stall_at_s=None):
    """What is believed of the jitter, in ms, after so many seconds of packets that come up to `jitter_s` late."""
    chance = random.Random(1)
    delay = DelayEstimator()
    for number in range(seconds * 50):
        late_s = 0.5 if stall_at_s and number == stall_at_s * 50 else chance.random() * jitter_s
        delay.arrived(number * 0.020 + late_s, number * 0.020)
    return round(delay.jitter_s * 1000)


@pytest.mark.parametrize(
    ("network", "expected_ms"),
    [
        ({"seconds": 1}, 50),  # nothing known yet
        ({"seconds": 10}, 10),  # what is believed
        ({"seconds": 14}, 5),
        ({"seconds": 60}, 5),
        ({"seconds": 4, "jitter_s": 0.030}, 30),
        ({"seconds": 60, "jitter_s": 0.030}, 30),  # the upper edge of the bin
        ({"seconds": 60, "jitter_s": 0.060}, 60),
        ({"seconds": 60, "jitter_s": 0.600}, 500),  # the last bin
        ({"seconds": 60, "stall_at_s": 30}, 5),  # one stall is not jitter
        ({"seconds": 4, "stall_at_s": 3}, 10),  # not even in the first seconds
        ({"seconds": 11, "stall_at_s": 10}, 10),
        ({"seconds": 15, "stall_at_s": 13}, 5),
    ],
)
def test_jitter(network, expected_ms):
    assert jitter_after(**network) == expected_ms


def test_every_half_second_it_is_told():
    delay = DelayEstimator()
    ended = [delay.arrived(number * 0.020, number * 0.020) for number in range(101)]
    assert [number for number, one in enumerate(ended) if one] == [0, 25, 50, 75, 100]


def test_a_route_that_becomes_slower_moves_the_base_within_two_seconds():
    delay = DelayEstimator()
    bases = []
    for number in range(200):
        route_s = 0.020 if number < 100 else 0.120
        delay.arrived(number * 0.020 + route_s, number * 0.020)
        bases.append(delay.base_s)
    assert bases[:190] == pytest.approx([0.020] * 190)
    assert bases[-1] == pytest.approx(0.120)


def test_a_faster_route_is_believed_at_once():
    delay = DelayEstimator()
    delay.arrived(1.0, 0.0)
    delay.arrived(1.010, 0.020)
    assert delay.base_s == pytest.approx(0.990)
