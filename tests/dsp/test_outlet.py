import numpy as np
import pytest

from service.dsp.outlet import Outlet
from service.dsp.playout_stats import PlayoutStats
from service.sound.resampler import SoxrResampler


@pytest.fixture
def stats():
    return PlayoutStats()


def ramp(samples, *, begin=0):
    """Numbered samples."""
    return np.arange(begin, begin + samples, dtype=np.float32)


def tone(samples):
    return (0.5 * np.sin(2 * np.pi * 200 * np.arange(samples) / 48_000)).astype(np.float32)


def test_what_is_appended_comes_out_in_order_and_silence_after_it(stats):
    outlet = Outlet(None, stats)
    outlet.append(ramp(960))
    outlet.append(ramp(100, begin=960))
    heard = np.concatenate([outlet.give(480, rate=1e-4) for _ in range(3)])
    assert np.array_equal(heard[:1060], ramp(1060))
    assert not heard[1060:].any() and stats.silence_samples == 380
    assert outlet.waiting == outlet.ahead == 0


def test_with_a_resampler_all_is_heard_a_little_later_and_what_it_holds_is_ahead(stats):
    resampler = SoxrResampler()
    outlet = Outlet(resampler, stats)
    sound = tone(4800)
    outlet.append(sound)
    assert outlet.ahead == 4800 + resampler.held_samples
    heard = np.concatenate([outlet.give(480, rate=0.0) for _ in range(11)])
    late = resampler.held_samples
    assert np.abs(heard[late + 240 : late + 4000] - sound[240:4000]).max() < 0.03  # 2 samples of its own
    assert abs(outlet.ahead - late) <= 1


def test_a_cut_fades_out_and_forgets_the_rest(stats):
    outlet = Outlet(None, stats)
    assert not outlet.cut()
    outlet.append(np.ones(960, np.float32))
    assert outlet.cut()
    heard = outlet.give(480, rate=0.0)
    assert heard[0] > 0.99 and abs(heard[239]) < 0.001 and not heard[240:].any()
    assert np.abs(np.diff(heard)).max() < 0.01


def test_a_splice_makes_it_longer_or_shorter_by_a_period_and_is_counted(stats):
    outlet = Outlet(None, stats)
    outlet.append(tone(1440))
    assert outlet.splice(9, most=300, longer=False, eager=False)
    assert outlet.waiting == 1440 - 240
    assert outlet.splice(9, most=300, longer=True, eager=False)
    assert outlet.waiting == 1440
    assert not outlet.splice(9, most=100, longer=True, eager=False)
    assert (stats.removed, stats.inserted) == (1, 1)
    outlet.cut()
    outlet.append(np.zeros(1440, np.float32))
    outlet.give(240, rate=0.0)
    assert outlet.splice(9, most=300, longer=False, eager=False) and outlet.waiting == 1431
