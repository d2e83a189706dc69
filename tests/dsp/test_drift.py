import numpy as np
import pytest

from service.dsp.drift import DriftLoop, Pacer


def controlled(loop, *, drift_ppm, seconds, error_s=0.0, disturb=lambda second: 0.0):
    """The errors of each second, where the card is too fast or too slow by so much."""
    errors = []
    for second in range(seconds):
        for _ in range(10):
            loop.steer(error_s, 0.1)
            error_s += (drift_ppm * 1e-6 - loop.rate) * 0.1
        error_s += disturb(second)
        errors.append(error_s)
    return errors


@pytest.mark.parametrize("ppm", [-300, -100, 0, 100, 300, 450])
@pytest.mark.parametrize("believed_s", [0.0005, 1.0])
def test_the_rate_is_found_within_minutes(ppm, believed_s):
    loop = DriftLoop(believed_s=believed_s)
    errors = controlled(loop, drift_ppm=ppm, seconds=600)
    assert max(map(abs, errors)) < 0.005, "no splice was ever due"
    assert max(map(abs, errors[300:])) < 0.0005
    assert loop.learnt * 1e6 == pytest.approx(ppm, abs=3)


@pytest.mark.parametrize("ppm", [900, -900])
def test_it_is_never_faster_than_anybody_could_hear(ppm):
    loop = DriftLoop()
    controlled(loop, drift_ppm=ppm, seconds=600)
    assert abs(loop.rate) == abs(loop.learnt) == 500e-6


def test_what_was_learnt_is_used_from_the_first_second_and_changes_slowly():
    loop = DriftLoop(ppm=-120.0)
    assert loop.rate == pytest.approx(-120e-6)
    errors = controlled(loop, drift_ppm=-120, seconds=300, error_s=0.004)
    assert abs(loop.learnt * 1e6 + 120) < 20
    assert errors[-1] < 0.001


def test_what_is_worth_keeping_is_known_after_ten_minutes():
    loop = DriftLoop()
    controlled(loop, drift_ppm=50, seconds=599)
    assert not loop.known
    controlled(loop, drift_ppm=50, seconds=2)
    assert loop.known and DriftLoop(ppm=50.0).known


def test_an_error_that_comes_from_stalls_is_not_learnt():
    loop = DriftLoop(ppm=-50.0, believed_s=0.0005)
    errors = controlled(loop, drift_ppm=-50, seconds=3600, disturb=lambda second: 0.002 if second % 10 == 0 else 0.0)
    assert min(errors[600:]) > -0.005
    calm = DriftLoop(ppm=-50.0, believed_s=0.0005)
    calm.steer(0.009, 60.0)
    assert calm.learnt * 1e6 == pytest.approx(-50 + 3.3, abs=0.1)
    calm.hold()
    assert calm.rate == calm.learnt


class Skewed:
    """Holds 100 samples; gives more or fewer than it was fed."""

    held_samples = 100

    def __init__(self, counts):
        self.counts, self.fed, self.given = iter(counts), [], 0
        self.rates = []

    def resample(self, samples, rate):
        self.fed.extend(samples)
        self.rates.append(rate)
        count = max(0, len(samples) + next(self.counts))
        piece = np.arange(self.given, self.given + count, dtype=np.float32)
        self.given += count
        return piece


def test_the_card_gets_exactly_what_it_asks_for_and_no_sample_is_lost():
    resampler = Skewed([0, 1, -1, -1, 0, 0, 1, 1, 0, 0, 0, 0])
    pacer = Pacer(resampler)
    asked = []

    def take(count):
        asked.append(count)
        return np.zeros(count, np.float32)

    given = [pacer.give(480, take, rate=2e-6) for _ in range(8)]
    assert [len(piece) for piece in given] == [480] * 8
    assert np.array_equal(np.concatenate(given), np.arange(8 * 480))
    assert pacer.held_samples == 100 + resampler.given - 8 * 480
    assert max(asked) <= 480 and sum(asked) == len(resampler.fed)
    assert set(resampler.rates) == {2e-6}


def test_an_error_that_is_known_to_have_other_causes_is_put_right_and_not_learnt():
    loop = DriftLoop(ppm=-50.0)
    loop.steer(0.004, 60.0, learn=False)
    assert loop.learnt == pytest.approx(-50e-6)
    assert loop.rate > loop.learnt
