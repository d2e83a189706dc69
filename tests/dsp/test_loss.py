import random

import pytest

from service.dsp.loss import LossEstimator

PACKETS = 1500


def extra_ms(*, lost=(), loss=0.0, answered_s=None, answers_lost=0.0, spares=True, packets=PACKETS):
    """The extra wait in ms after so many packets without jitter. What is lost comes again `answered_s` after the next
    packet did, and as much later for each answer that was lost."""
    chance = random.Random(4)
    estimator, again, missing = LossEstimator(), [], []
    estimator.begin(0)
    for number in range(packets):
        now_s = number * 0.020
        while again and again[0][0] <= now_s:
            at_s, repaired = again.pop(0)
            estimator.received(repaired, at_s - repaired * 0.020, spares=spares)
        if number in lost or chance.random() < loss:
            missing.append(number)
        else:
            while missing and answered_s is not None:
                tries = 1
                while chance.random() < answers_lost:
                    tries += 1
                again = sorted([*again, (now_s + tries * answered_s, missing.pop())])
            estimator.received(number, 0.0, spares=spares)
        if number % 25 == 24:
            estimator.review(0.005)
    return round(estimator.extra_s * 1000)


def runs_of(length, *, every):
    """Packets that are lost together."""
    return {at + n for at in range(200, PACKETS, every) for n in range(length)}


@pytest.mark.parametrize(
    ("network", "expected_ms"),
    [
        ({}, 0),
        ({"loss": 0.002}, 0),  # not worth the delay
        ({"loss": 0.01}, 15),  # the copy is there one frame later
        ({"loss": 0.05}, 15),
        ({"loss": 0.10}, 15),
        ({"loss": 0.10, "answered_s": 0.070}, 15),  # the copies do
        ({"loss": 0.20}, 15),  # a longer wait would bring nothing
        ({"loss": 0.05, "spares": False}, 15),  # nor here
        ({"loss": 0.05, "spares": False, "answered_s": 0.040}, 65),  # no copies, but answers
        ({"lost": runs_of(3, every=60)}, 15),  # nobody answers
        ({"lost": runs_of(3, every=60), "answered_s": 0.010}, 65),  # the first is missed for 60 + 10
        ({"lost": runs_of(3, every=60), "answered_s": 0.040}, 95),
        ({"lost": runs_of(3, every=60), "answered_s": 0.300}, 15),  # answers that come too late are not waited for
        ({"loss": 0.20, "answered_s": 0.030, "answers_lost": 0.36}, 75),  # time for two answers
        ({"lost": set(range(500, 540))}, 0),  # an outage: no wait mends it
        ({"loss": 0.05, "packets": 100}, 25),
    ],
)
def test_extra_wait(network, expected_ms):
    assert extra_ms(**network) == expected_ms


def test_room_for_the_copy_is_kept_until_the_loss_is_well_over():
    estimator = LossEstimator()
    estimator.begin(0)
    numbers = [*range(0, 200, 10), *range(200, 5000)]
    extras = []
    for number in numbers:
        estimator.received(number, 0.0, spares=True)
        estimator.review(0.005)
        extras.append(estimator.extra_s)
    ends = numbers[extras.index(0.0, 30)]
    assert extras[25] == pytest.approx(0.015)
    assert estimator.loss < 0.001
    assert 1200 < ends - 200 < 3000


def test_the_loss_is_that_of_the_last_500_packets_before_any_repair():
    estimator = LossEstimator()
    estimator.begin(0)
    for number in range(0, 5000):
        if number % 10:
            estimator.received(number, 0.0, spares=True)
    for number in range(4000, 5000, 10):
        estimator.received(number, 0.1, spares=True)
    assert estimator.loss == pytest.approx(0.10, abs=0.01)


def test_a_packet_that_comes_twice_was_there_the_first_time():
    estimator = LossEstimator()
    estimator.begin(0)
    for number in range(1000):
        if number % 20:
            estimator.received(number, 0.0, spares=True)
        if number > 4:
            estimator.received(number - 4, 0.080, spares=True)
        estimator.review(0.005)
    assert estimator.extra_s <= 0.025
