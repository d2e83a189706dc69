import numpy as np
import pytest

from service.core.audio import RATE_HZ
from service.dsp.tone import BEEP_S, EVERY_S, Beeps, tone


def test_a_tone_has_its_pitch_its_level_and_no_click():
    sound = tone(1.0, hz=1000, level_dbfs=-20)
    assert len(sound) == RATE_HZ
    assert np.abs(sound).max() == pytest.approx(0.1, rel=1e-3)
    assert np.argmax(np.abs(np.fft.rfft(sound))) == 1000
    whole = np.concatenate([np.zeros(480), sound, np.zeros(480)])
    assert np.abs(np.diff(whole, 2)).max() <= 1.05 * np.abs(np.diff(sound[4800:9600], 2)).max()


def test_beeps_come_every_few_seconds_in_periods_of_any_length():
    beeps = Beeps()
    sound = np.concatenate([beeps.pull(samples) for samples in (480, 441, 7) * 1000])
    heard = np.abs(sound) > 0
    assert heard.mean() == pytest.approx(BEEP_S / EVERY_S, rel=0.1)
    period = round(EVERY_S * RATE_HZ)
    assert np.array_equal(sound[:period], sound[period : 2 * period])
