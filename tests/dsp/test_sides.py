import numpy as np
import pytest

from service.dsp.sides import Sides


def sound(seconds: float, *, seed: int = 0, dbfs: float = -20.0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return (chance.standard_normal(round(seconds * 48_000)) * 32768 * 10 ** (dbfs / 20)).clip(-32768, 32767)


def hear(sides: Sides, *channels: np.ndarray, block: int = 480) -> bool:
    """Whether a clip was seen."""
    raw = np.stack(channels, axis=1).astype(np.int16)
    return any([sides.hear(raw[at : at + block]) for at in range(0, len(raw), block)])


@pytest.mark.parametrize(
    ("left", "right", "cancel"),
    [
        (sound(10), -sound(10), True),
        (sound(10), -0.9 * sound(10), True),
        (sound(10), -0.7 * sound(10), False),  # the mean is 16.5 dB below
        (sound(10), sound(10), False),
        (sound(10), 0 * sound(10), False),
        (sound(10), sound(10, seed=1), False),
        (sound(10, dbfs=-70), -sound(10, dbfs=-70), False),  # nothing is plugged in
        (np.append(sound(5), 0.01 * sound(5, seed=2)), np.append(-sound(5), 0.01 * sound(5, seed=3)), True),
    ],
)
def test_a_pair_in_opposite_phase_is_told_after_ten_seconds(left, right, cancel):
    sides = Sides()
    hear(sides, left[:470_000], right[:470_000])
    assert not sides.cancel
    hear(sides, left[470_000:], right[470_000:])
    assert sides.cancel == cancel


def test_it_ends_when_the_plug_is_mended_and_silence_says_nothing():
    sides, one = Sides(), sound(10)
    hear(sides, one, -one)
    hear(sides, 0 * one, 0 * one)
    assert sides.cancel
    hear(sides, one, one)
    assert not sides.cancel


def test_a_clip_on_either_side_shows_also_where_the_mean_has_none():
    one = sound(0.1)
    loud = one.copy()
    loud[478:481] = 32767  # over the edge of a block
    assert not hear(Sides(), one, -one)
    assert hear(Sides(), one, loud) and hear(Sides(), loud, one)


def test_mono_has_no_sides():
    sides = Sides()
    assert not hear(sides, sound(11))
    assert not sides.cancel
