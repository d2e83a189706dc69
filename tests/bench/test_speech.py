"""That the measure of heard speech measures."""

import numpy as np
import pytest

from service.core.audio import FRAME_SAMPLES
from service.sound.opus import OpusDecoder
from tests.bench.speech import FRAME_S, LOOK_AHEAD_S, Ear, Speech

FRAMES, BLOCK = 600, 480


@pytest.fixture(scope="module")
def speech():
    return Speech()


@pytest.fixture(scope="module")
def sound(speech):
    decoder = OpusDecoder()
    return np.concatenate([np.frombuffer(decoder.decode(packet), np.float32) for packet in speech.packets[:FRAMES]])


def heard(speech, sound, *, late_s: float):
    """By an ear that was given this from a while after packet 0 was sent, its blocks handed over unevenly."""
    ear = Ear(0.01)
    for n in range(len(sound) // BLOCK):
        ear.hear(100.0 + late_s + 0.01 * n + 0.004 * (n % 7 == 0), sound[n * BLOCK : (n + 1) * BLOCK])
    return speech.found(ear, 100.0)


def test_speech_that_comes_whole_is_heard_whole_and_its_delay_is_told(speech, sound):
    found = heard(speech, sound, late_s=0.123)
    assert found.heard == 1.0
    assert found.delays_s == pytest.approx([0.123 + FRAME_S + LOOK_AHEAD_S] * len(found.delays_s), abs=0.001)


def test_frames_that_are_missing_are_not_heard(speech, sound):
    frames = sound.reshape(-1, FRAME_SAMPLES).copy()
    frames[5::10] = 0.0
    found = heard(speech, frames.reshape(-1), late_s=0.1)
    assert found.heard == pytest.approx(0.9, abs=0.02)
    assert np.median(found.delays_s) == pytest.approx(0.1 + FRAME_S + LOOK_AHEAD_S, abs=0.001)


def test_a_delay_that_grows_on_the_way_is_seen(speech, sound):
    later = np.concatenate([sound[: 300 * FRAME_SAMPLES], np.zeros(2400, np.float32), sound[300 * FRAME_SAMPLES :]])
    found = heard(speech, later, late_s=0.1)
    low, high = np.percentile(found.delays_s, [5, 95])
    assert high - low == pytest.approx(0.050, abs=0.001) and found.heard > 0.99


def test_another_sound_is_not_heard(speech, sound):
    noise = np.random.default_rng(1).normal(0, 0.1, len(sound)).astype(np.float32)
    assert heard(speech, noise, late_s=0.1).heard < 0.05
