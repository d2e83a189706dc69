import numpy as np
import pytest

from service.dsp import splice
from service.sound.opus import OpusDecoder
from tests.fakes.network import speech

RATE_HZ = 48_000


@pytest.fixture(scope="module")
def spoken():
    """Speech as it is decoded."""
    decoder = OpusDecoder()
    return np.concatenate([np.frombuffer(decoder.decode(payload), "<f4") for payload in speech()])


def tone(hz, *, amplitude=0.5, samples=1440):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(samples) / RATE_HZ)).astype(np.float32)


def roughness(samples):
    """The largest second difference: what a step raises."""
    return np.abs(np.diff(samples.astype(float), n=2)).max()


@pytest.mark.parametrize("hz", [70, 100, 150, 240, 399])
def test_the_period_of_a_voice_is_found(hz):
    lag = splice.pitch_period(tone(hz), wanted=720, most=720)
    periods = lag * hz / RATE_HZ
    assert abs(periods - round(periods)) * RATE_HZ / hz <= 3


def test_when_it_is_urgent_as_many_periods_as_may_be_are_taken():
    assert splice.pitch_period(tone(200), wanted=720, most=720) in (240, 480, 720)
    assert splice.pitch_period(tone(200), wanted=720, most=720, eager=True) == pytest.approx(720, abs=4)


def test_noise_has_no_period_unless_it_is_urgent():
    noise = np.random.default_rng(1).normal(0, 0.1, 1440).astype(np.float32)
    assert splice.pitch_period(noise, wanted=720, most=720) is None
    hoarse = noise + tone(150, amplitude=0.2)
    assert splice.pitch_period(hoarse, wanted=720, most=720) is None
    assert splice.pitch_period(hoarse, wanted=720, most=720, eager=True) is not None
    assert splice.pitch_period(hoarse / 100, wanted=720, most=720) is not None  # so faint that nobody hears it


@pytest.mark.parametrize(
    ("length", "wanted", "most", "lag"),
    [(1440, 720, 720, 720), (1000, 720, 720, 500), (1440, 300, 250, 248), (1440, 7, 250, 7), (200, 7, 720, None)],
)
def test_in_silence_what_is_wanted_is_left_out(length, wanted, most, lag):
    assert splice.pitch_period(np.zeros(length, np.float32), wanted=wanted, most=most) == lag


def test_one_period_less_and_one_more():
    sound = tone(200)
    lag = splice.pitch_period(sound, wanted=0, most=300)
    assert lag == 240
    assert np.allclose(splice.without(sound, lag), sound[240:], atol=1e-5)
    longer = splice.twice(sound, lag)
    assert len(longer) == 1440 + 240
    assert np.allclose(longer[:1440], sound, atol=1e-5)


@pytest.mark.parametrize("change", [splice.without, splice.twice])
@pytest.mark.parametrize("kind", ["speech", "440 Hz"])
def test_no_splice_makes_a_step(spoken, kind, change):
    sound = spoken if kind == "speech" else tone(440, samples=96_000)
    before, spliced, tries = [], 0, 0
    for at in range(0, len(sound) - 3000, 1717):
        around = sound[at : at + 3000]
        lag = splice.pitch_period(around[480:1920], wanted=720, most=720)
        tries += 1
        if lag is not None:
            spliced += 1
            after = np.concatenate([around[:480], change(around[480:1920], lag), around[1920:]])
            before.append((roughness(after), roughness(around)))
    after, original = np.array(before).T
    assert after.max() <= 1.01 * (roughness(sound) if kind == "speech" else original.max())
    assert spliced >= (0.5 if kind == "speech" else 0.9) * tries
    if kind == "speech":
        assert (after / original).max() < 4.0
