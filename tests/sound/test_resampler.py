"""python-soxr marks its variable ratio as experimental: what we rely on is held here."""

import numpy as np
import pytest

from service.sound.resampler import SoxrResampler

RATE_HZ = 48_000


def through(resampler, sound, rate_at):
    """All that comes out, fed by periods."""
    pieces = [resampler.resample(sound[at : at + 480], rate_at(at)) for at in range(0, len(sound), 480)]
    return np.concatenate(pieces)


def tone(hz, seconds=2.0):
    return np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ).astype(np.float32)


def spurious_db(heard, hz):
    """What is there beside one tone, over it, in dB."""
    piece = heard[RATE_HZ // 2 :][: RATE_HZ // 2].astype(float) * np.blackman(RATE_HZ // 2)
    spectrum = np.abs(np.fft.rfft(piece))
    at = round(hz / 2)
    peak = spectrum[at - 8 : at + 9].max()
    spectrum[at - 8 : at + 9] = 0
    return 20 * np.log10(spectrum.max() / peak)


def test_what_it_holds_is_known_and_stays():
    resampler = SoxrResampler()
    assert 0 < resampler.held_samples <= 480
    impulse = np.zeros(4800, np.float32)
    impulse[2400] = 1.0
    heard = through(resampler, impulse, lambda _: 0.0)
    assert len(heard) == 4800
    assert abs(int(np.argmax(np.abs(heard))) - 2400 - resampler.held_samples) <= 4  # 0.1 ms


@pytest.mark.parametrize("ppm", [-500, -100, 0, 100, 500])
def test_the_ratio_is_what_was_asked_for(ppm):
    fed = 60 * RATE_HZ
    heard = through(SoxrResampler(), np.zeros(fed, np.float32), lambda _: ppm * 1e-6)
    assert len(heard) == pytest.approx(fed / (1 + ppm * 1e-6), abs=2)


@pytest.mark.parametrize("count", [0, 1, 7, 479, 480, 481, 5760])
def test_pieces_of_any_length(count):
    resampler = SoxrResampler()
    heard = [resampler.resample(np.ones(count, np.float32), 1e-4) for _ in range(20)]
    assert sum(map(len, heard)) == pytest.approx(20 * count / (1 + 1e-4), abs=2)
    assert all(np.isfinite(piece).all() for piece in heard)


@pytest.mark.parametrize(("hz", "limit_db"), [(1000, -90), (8000, -75), (15_000, -70)])
def test_a_tone_stays_clean_while_the_rate_sweeps(hz, limit_db):
    heard = through(SoxrResampler(), tone(hz), lambda at: 200e-6 * np.sin(2 * np.pi * at / RATE_HZ / 20))
    assert spurious_db(heard, hz) < limit_db
    assert np.abs(heard[RATE_HZ // 2 :]).max() == pytest.approx(1.0, abs=0.01)
