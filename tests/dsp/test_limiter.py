import numpy as np
import pytest

from service.dsp.limiter import Limiter

BLOCK = 480


def tone(amplitude: float, seconds: float, *, hz: float = 440.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * 48_000)) / 48_000)).astype(np.float32)


def limited(limiter: Limiter, samples: np.ndarray, *, block: int = BLOCK) -> np.ndarray:
    return np.concatenate([limiter.process(samples[at : at + block]) for at in range(0, len(samples), block)])


def spl(samples: np.ndarray, *, at_full_scale: float) -> float:
    """In dB, as a sine of the same power."""
    return at_full_scale + 10 * np.log10(2 * np.mean(np.square(samples, dtype=np.float64)))


def roughness(samples: np.ndarray) -> float:
    return float(np.abs(np.diff(samples, n=2)).max())


def beyond(samples: int, *, spl_at_full_scale: float | None, seed: int) -> float:
    """How far the worst of so many samples goes beyond the ceiling: noise, full scale, steps, single peaks."""
    chance = np.random.default_rng(seed)
    limiter = Limiter(max_dbfs=-3.0, spl_at_full_scale=spl_at_full_scale)
    ceiling = float(np.float32(10 ** (min(-3.0, 100.0 - (spl_at_full_scale or 0.0)) / 20)))
    worst, left = 0.0, samples
    while left > 0:
        length = int(chance.integers(1, 1000))
        loudness = 10 ** chance.uniform(-3, 0.6, size=1 + length // 100).repeat(100)[:length]
        block = chance.choice([chance.uniform(-1, 1, length), chance.choice([-1.0, 1.0], length), np.ones(length)])
        worst = max(worst, float(np.abs(limiter.process((block * loudness).astype(np.float32))).max()))
        left -= length
    return worst - ceiling


@pytest.mark.parametrize("spl_at_full_scale", [None, 110.0])
def test_no_sample_goes_beyond_the_ceiling(spl_at_full_scale):
    assert beyond(300_000, spl_at_full_scale=spl_at_full_scale, seed=1) <= 0


@pytest.mark.slow
@pytest.mark.parametrize("spl_at_full_scale", [None, 110.0])
def test_no_sample_of_ten_million_goes_beyond_the_ceiling(spl_at_full_scale):
    assert beyond(10_000_000, spl_at_full_scale=spl_at_full_scale, seed=2) <= 0


def test_what_stays_below_is_not_touched():
    sound = tone(0.7, 1.0)
    limiter = Limiter()
    assert (limited(limiter, sound) == sound).all()
    assert limiter.gain_db == 0.0 and limiter.stats.ceiling_s == 0.0


def test_a_peak_is_met_by_a_ramp_and_the_gain_comes_back():
    sound = tone(0.2, 1.0)
    sound[10_300] = 2.0
    limiter = Limiter(max_dbfs=-6.0)
    before, hit, after = np.split(limited(limiter, sound), [10_080, 10_560])
    assert (before == sound[:10_080]).all()
    assert np.abs(hit).max() == pytest.approx(0.5012, abs=0.001)
    assert hit[220] == pytest.approx(0.5012, abs=0.001)
    gains = hit[1:] / sound[10_081:10_560]  # the first sample is near a zero of the sine
    assert np.all(np.diff(gains[:220]) < 0.002)
    assert np.allclose(gains[220:], gains[225], atol=1e-3)
    assert limiter.gain_db == 0.0
    # e^-1 of the way is left after 100 ms
    assert 0.2 - np.abs(after[4_300:4_800]).max() == pytest.approx((0.2 - 0.2 * 0.2506) / np.e, rel=0.1)
    assert 0.3 < limiter.stats.ceiling_s < 0.8


def test_a_steady_tone_is_made_quieter_and_not_otherwise_changed():
    sound = tone(1.4, 1.0)
    limiter = Limiter(max_dbfs=-3.0)
    steady = limited(limiter, sound)[480:]
    assert np.allclose(steady, sound[480:] * (0.7079 / 1.4), atol=0.005)
    assert limiter.gain_db == pytest.approx(-5.9, abs=0.1)
    assert limiter.stats.ceiling_s == pytest.approx(1.0)


@pytest.mark.parametrize("hz", [60.0, 440.0, 3000.0])
def test_nothing_clicks(hz):
    sound = np.concatenate([tone(amplitude, 0.5, hz=hz) for amplitude in (0.3, 1.5, 0.3, 3.0, 0.9)])
    heard = limited(Limiter(spl_at_full_scale=110.0), sound)
    assert roughness(heard) <= roughness(sound)


def test_what_is_no_number_is_silence_and_is_forgotten():
    limiter = Limiter(spl_at_full_scale=110.0)
    broken = tone(0.1, 0.01)
    broken[[3, 50, 99]] = np.nan, np.inf, -np.inf
    heard = limiter.process(broken)
    assert np.isfinite(heard).all() and (heard[[3, 50, 99]] == 0).all()
    assert (limiter.process(broken[100:]) == broken[100:]).all()
    assert len(limiter.process(broken[:0])) == 0


# -- with a calibration: a sine of full scale is 110 dB SPL ---------------------------------------------------------


def test_the_ceiling_follows_the_calibration():
    heard = limited(Limiter(max_dbfs=-3.0, spl_at_full_scale=110.0), tone(1.0, 0.05))
    assert 20 * np.log10(np.abs(heard).max()) == pytest.approx(-10.0, abs=0.01)
    heard = limited(Limiter(max_dbfs=-20.0, spl_at_full_scale=110.0), tone(1.0, 0.05))
    assert 20 * np.log10(np.abs(heard).max()) == pytest.approx(-20.0, abs=0.01)


def test_what_lasts_longer_than_100_ms_is_brought_to_94_within_10():
    loud = tone(10 ** ((98 - 110) / 20), 0.5)
    limiter = Limiter(spl_at_full_scale=110.0)
    heard = limited(limiter, loud)
    assert spl(heard[:4_800], at_full_scale=110) == pytest.approx(98.0, abs=0.1)
    for at in range(5_280, len(heard), 480):
        assert spl(heard[at : at + 480], at_full_scale=110) <= 94.2
    assert spl(heard[5_280:], at_full_scale=110) == pytest.approx(94.0, abs=0.1)
    assert limiter.stats.lasting_s == pytest.approx(0.4)
    assert limiter.gain_db == pytest.approx(-4.0, abs=0.1)


def test_short_sounds_are_left_and_a_loud_voice_is_not_loud_anew_after_each_syllable():
    limiter = Limiter(spl_at_full_scale=110.0)
    short = np.concatenate([tone(0.25, 0.09), tone(0.05, 0.05)])
    assert (limited(limiter, np.tile(short, 20)) == np.tile(short, 20)).all()
    loud = np.concatenate([tone(0.25, 0.15), tone(0.05, 0.05)])
    third = limited(limiter, np.tile(loud, 3))[-9_600:-2_400]
    assert spl(third[480:], at_full_scale=110) <= 94.1
    limited(limiter, tone(0.01, 1.5))
    assert (limited(limiter, short) == short).all()


def test_a_minute_above_80_on_average_is_a_warning_until_it_is_calmer():
    limiter = Limiter(spl_at_full_scale=110.0)

    def play(level: float, seconds: int) -> list[bool]:
        said = []
        for _ in range(seconds):
            limited(limiter, tone(10 ** ((level - 110) / 20), 1.0), block=4800)
            said.append(limiter.warning)
        return said

    assert not any(play(79.0, 120))
    assert play(83.0, 60).index(True) == pytest.approx(60 * 0.2 / 1.2, abs=3)
    assert all(play(78.0, 60))
    assert not play(76.0, 60)[-1]
    assert limiter.stats.average_s > 60


def test_without_a_calibration_there_is_only_the_ceiling():
    limiter = Limiter(max_dbfs=-3.0)
    sound = tone(0.7, 90.0)
    assert (limited(limiter, sound, block=4800) == sound).all()
    assert not limiter.warning
