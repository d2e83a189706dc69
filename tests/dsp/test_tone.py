import numpy as np
import pytest

from service.core.audio import RATE_HZ
from service.dsp.tone import BEEP_S, EVERY_S, RAMP_SAMPLES, Beeps, Sine


def heard(sine, *, block=480, end_at=None):
    """All of it, and as much again."""
    blocks = []
    while not sine.ended:
        if end_at is not None and len(blocks) * block == end_at:
            sine.end()
        blocks.append(sine.pull(block))
    return np.concatenate([*blocks, sine.pull(block)])


@pytest.mark.parametrize("block", [480, 441, 4800])
def test_it_has_the_length_the_level_and_the_pitch_that_were_asked_for(block):
    tone = heard(Sine(hz=1000, level_dbfs=-20, seconds=0.5), block=block)
    assert np.flatnonzero(tone)[-1] < RATE_HZ // 2 <= len(tone)
    middle = tone[RAMP_SAMPLES : RATE_HZ // 2 - RAMP_SAMPLES]
    assert np.abs(middle).max() == pytest.approx(0.1, rel=1e-3)
    expected = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RAMP_SAMPLES, RAMP_SAMPLES + len(middle)) / RATE_HZ)
    assert np.abs(middle - expected).max() < 1e-5


@pytest.mark.parametrize("end_at", [None, 0, 480, 9600])
@pytest.mark.parametrize("seconds", [0.001, 0.5])
def test_nothing_clicks(seconds, end_at):
    tone = np.concatenate([[0.0], heard(Sine(hz=440, level_dbfs=0, seconds=seconds), end_at=end_at)])
    steady = 2 * np.pi * 440 / RATE_HZ  # the largest step of the sine itself
    assert np.abs(np.diff(tone)).max() < 1.05 * steady
    assert np.abs(np.diff(tone, 2)).max() < 2 * steady**2


def test_what_is_ended_is_silent_within_its_ramp():
    tone = heard(Sine(hz=440, level_dbfs=0, seconds=10), end_at=4800)
    assert np.flatnonzero(tone)[-1] < 4800 + RAMP_SAMPLES


def test_beeps_come_every_few_seconds_in_periods_of_any_length():
    beeps = Beeps()
    sound = np.concatenate([beeps.pull(samples) for samples in (480, 441, 7) * 1000])
    heard = np.abs(sound) > 0
    assert heard.mean() == pytest.approx(BEEP_S / EVERY_S, rel=0.1)
    period = round(EVERY_S * RATE_HZ)
    assert np.array_equal(sound[:period], sound[period : 2 * period])
