import numpy as np
import pytest

from service.dsp.outlet import Outlet
from service.dsp.playout_stats import PlayoutStats
from service.dsp.steering import Steering


class Played:
    """A delay that only splices and drift change; a look every 10 ms."""

    def __init__(self, above_ms, *, drift_ppm=None):
        self.stats, self.above_ms, self.now_s = PlayoutStats(), above_ms, 100.0
        self.outlet = Outlet(None, self.stats)
        self.steering = Steering(self.outlet, drift_ppm=drift_ppm)

    def run(self, seconds, *, pitch_hz=150, jump_ms=0.0):
        self.above_ms += jump_ms
        voice = 0.3 * np.sin(2 * np.pi * pitch_hz * np.arange(1440) / 48_000).astype(np.float32)
        for _ in range(round(seconds * 100)):
            self.outlet.give(self.outlet.waiting, rate=0.0)
            self.outlet.append(voice)
            self.steering.hold()
            self.steering.steer(self.now_s, self.above_ms / 1000, 0.010)
            self.above_ms += (self.outlet.waiting - 1440) / 48 - self.steering.drift.rate * 10
            self.now_s += 0.010
        return self.above_ms

    @property
    def splices(self):
        return self.stats.removed, self.stats.inserted


@pytest.fixture
def settled():
    """Right for longer than a splice is remembered."""
    played = Played(5.0, drift_ppm=0.0)
    played.run(11)
    assert played.splices == (0, 0)
    return played


@pytest.mark.parametrize("jump_ms", [8, -8])
def test_a_little_is_believed_after_two_seconds(settled, jump_ms):
    settled.run(1.9, jump_ms=jump_ms)
    assert settled.splices == (0, 0)
    assert settled.run(0.5) == pytest.approx(5, abs=4)
    assert sum(settled.splices) in (1, 2)


@pytest.mark.parametrize("jump_ms", [25, -25])
def test_more_is_mended_at_once_but_not_more_than_20_times_a_second(settled, jump_ms):
    settled.run(0.05, jump_ms=jump_ms)
    assert sum(settled.splices) == 1
    settled.run(0.20)
    assert sum(settled.splices) <= 5
    assert settled.run(0.5) == pytest.approx(5, abs=3.1), "to the middle, not only to the edge"


def test_far_behind_every_period_is_used(settled):
    settled.run(0.10, jump_ms=200)
    assert settled.stats.removed == 10
    assert settled.run(0.9) < 20


def test_in_silence_it_is_exact(settled):
    assert settled.run(3.0, jump_ms=9, pitch_hz=0) == pytest.approx(5, abs=0.1)
    assert settled.splices == (1, 0)


def test_what_a_splice_has_left_is_not_learnt(settled):
    settled.run(9, jump_ms=25)
    assert settled.steering.drift.learnt == pytest.approx(0.0, abs=0.2e-6)


def test_another_stream_is_as_if_no_splice_was_made_and_the_clock_stays():
    played = Played(5.0, drift_ppm=-80.0)
    played.steering.reset()
    assert played.steering.drift.learnt == pytest.approx(-80e-6)
