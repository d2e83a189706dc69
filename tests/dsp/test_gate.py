"""Noise and speech as 20 ms frames; the time is counted in frames."""

import numpy as np
import pytest

from service.dsp.gate import Gate
from tests.fakes.speech import sentences

SECOND = 50  # frames


def noise(dbfs: float, frames: int, *, seed: int = 0) -> np.ndarray:
    """White, at this RMS; a row per frame."""
    samples = np.random.default_rng(seed).standard_normal((frames, 960)) * 32768 * 10 ** (dbfs / 20)
    return samples.round().clip(-32768, 32767).astype(np.int16)


def voice(frames: int, *, seed: int = 0, peak_dbfs: float = -12.0) -> np.ndarray:
    """A buzz of 110 to 220 Hz in syllables of 200 ms that rise within 50 ms."""
    chance = np.random.default_rng(seed)
    at = np.arange(frames * 960) / 48_000
    buzz = sum(np.sin(2 * np.pi * chance.uniform(110, 220) * harmonic * at) / harmonic for harmonic in range(1, 8)) / 2
    phase = at % 0.25
    loudness = np.clip(phase / 0.05, 0, 1) * np.clip((0.2 - phase) / 0.05, 0, 1)
    return (buzz * loudness * 32767 * 10 ** (peak_dbfs / 20)).astype(np.int16).reshape(frames, 960)


def opened(gate: Gate, frames: np.ndarray) -> list[bool]:
    said = []
    for frame in frames:
        gate.hear(frame)
        said.append(gate.is_open)
    return said


@pytest.mark.parametrize("dbfs", [-90.0, -70.0, -60.0, -50.0])
def test_speech_after_noise_opens_it_within_120_ms(dbfs):
    late_ms = []
    for seed, sentence in enumerate(sentences()):
        speech = np.frombuffer(sentence, "<i2")
        speech = speech[np.flatnonzero(np.abs(speech) > 300)[0] :][: SECOND * 960]
        gate, frames = Gate(), noise(dbfs, 11 * SECOND, seed=seed)
        frames[10 * SECOND :].flat[480 : 480 + len(speech)] += speech[:-480]
        said = opened(gate, frames)
        assert not any(said[: 10 * SECOND])
        late_ms.append(20 * (said.index(True) + 1 - 10 * SECOND) - 10)
    assert np.median(late_ms) <= 60 and np.percentile(late_ms, 95) <= 120


@pytest.mark.parametrize("dbfs", [-90.0, -50.0, pytest.param(-70.0, marks=pytest.mark.slow)])
def test_ten_minutes_of_steady_noise_do_not_open_it(dbfs):
    gate = Gate()
    for minute in range(10):
        assert not any(opened(gate, noise(dbfs, 60 * SECOND, seed=minute)))


def test_it_stays_open_between_words_and_closes_800_ms_after_the_last():
    gate = Gate()
    opened(gate, noise(-70, SECOND))
    said = opened(gate, np.concatenate([voice(SECOND), noise(-70, 35), voice(SECOND), noise(-70, 2 * SECOND)]))
    first = said.index(True)
    closed = said.index(False, first)
    assert closed == pytest.approx(2 * SECOND + 35 + 40, abs=3)
    assert not any(said[closed:])


def test_a_click_is_no_speech():
    frames = noise(-70, 2 * SECOND)
    frames[60:62] = 20_000
    assert not any(opened(Gate(), frames))


def test_a_fan_is_learnt_and_digital_silence_before_it_makes_that_no_slower():
    for before in (noise(-70, 10 * SECOND), np.zeros((10 * SECOND, 960), np.int16)):
        gate = Gate()
        opened(gate, before)
        said = opened(gate, noise(-45, 20 * SECOND))
        assert said[10] and not any(said[7 * SECOND :])
        assert any(opened(gate, voice(SECOND, peak_dbfs=-10.0)))


def test_who_speaks_from_the_first_moment_is_heard():
    assert opened(Gate(), voice(SECOND)).index(True) <= 5
