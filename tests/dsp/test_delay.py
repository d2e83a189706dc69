import random

import pytest

from service.dsp.delay import DelayEstimator


def target_after(seconds, *, jitter_s=0.0, loss_every=0, stall_at_s=None, min_target_s=0.020):
    """The target in ms after so many seconds of packets that come up to `jitter_s` late."""
    chance = random.Random(1)
    delay = DelayEstimator(min_target_s=min_target_s)
    for number in range(seconds * 50):
        lost = loss_every and number % loss_every == 0
        if lost:
            continue
        delay.gap(1 if loss_every and number % loss_every == 1 else 0)
        late_s = 0.5 if number == stall_at_s else chance.random() * jitter_s
        delay.arrived(number * 0.020 + late_s, number * 0.020)
    return round(delay.target_s * 1000)


@pytest.mark.parametrize(
    ("network", "expected_ms"),
    [
        ({"seconds": 1}, 60),  # nothing known yet
        ({"seconds": 60}, 20),  # 15 would do; 20 is the least
        ({"seconds": 60, "jitter_s": 0.030}, 40),  # the upper edge of the bin, and one period of the card
        ({"seconds": 60, "jitter_s": 0.060}, 70),
        ({"seconds": 60, "jitter_s": 0.600}, 500),  # the most
        ({"seconds": 60, "loss_every": 100}, 40),  # 15 and 25: room for the FEC copy
        ({"seconds": 60, "loss_every": 1000}, 20),  # not worth the delay
        ({"seconds": 60, "stall_at_s": 30 * 50}, 20),  # one stall is not jitter
        ({"seconds": 60, "min_target_s": 0.2}, 200),
    ],
)
def test_target(network, expected_ms):
    assert target_after(**network) == expected_ms


def test_room_for_fec_is_kept_until_the_loss_is_well_over():
    delay = DelayEstimator()
    for _ in range(10):
        delay.gap(1)
    lossy_s = delay.target_s
    for _ in range(600):
        delay.gap(0)
    assert delay.target_s == lossy_s
    for _ in range(1000):
        delay.gap(0)
    assert delay.target_s == pytest.approx(lossy_s - 0.025)


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
