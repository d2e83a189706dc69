import numpy as np
import pytest

from service.sandbox.loudness import LoudnessEndpointer, NoRecogniser
from service.sandbox.transcriber import Transcriber
from tests.fakes import speech
from tests.fakes.speech import heard, recorded, silence

FRAME_SAMPLES = 480
RNG = np.random.default_rng(5)


def noise(dbfs: float, frames: int) -> list[bytes]:
    samples = RNG.normal(0.0, 32768 * 10 ** (dbfs / 20), (frames, FRAME_SAMPLES))
    return list(samples.clip(-32768, 32767).astype(np.int16))


def spoken(endpointer: LoudnessEndpointer, frames: list[bytes]) -> list[bytes]:
    return [bytes(frame) for frame in map(endpointer.process, map(bytes, frames)) if frame is not None]


def test_the_recording_is_cut_into_its_sentences_and_none_is_understood():
    got = heard(Transcriber(endpointer=LoudnessEndpointer(), recogniser=NoRecogniser()), recorded())
    assert [utterance.understood for utterance in got] == [False] * 7
    for utterance, (at_s, *_), end_s in zip(got, speech.SPOKEN, speech.ENDS_S, strict=True):
        assert utterance.start_s == pytest.approx(at_s, abs=0.1)
        assert utterance.end_s == pytest.approx(end_s, abs=0.1)


def test_every_frame_of_speech_is_given_back_once_and_in_order():
    endpointer, talk = LoudnessEndpointer(), noise(-20, 40)
    before, after = noise(-80, 20), noise(-80, 20)
    got = spoken(endpointer, [*before, *talk, *after])
    assert got[1:-1] == [bytes(frame) for frame in talk]
    assert endpointer.speech_start == pytest.approx(19 * 0.03)
    assert not endpointer.in_speech


def test_a_short_knock_is_no_speech():
    assert spoken(LoudnessEndpointer(), [*noise(-80, 20), *noise(-10, 8), *noise(-80, 20)]) == []


def test_a_fan_is_not_speech_for_long_and_speech_is_heard_above_it():
    endpointer = LoudnessEndpointer()
    spoken(endpointer, noise(-80, 20))
    spoken(endpointer, noise(-45, round(60 / 0.03)))
    assert not endpointer.in_speech
    assert len(spoken(endpointer, [*noise(-20, 30), *noise(-45, 20)])) >= 30


def test_after_mute_the_room_is_not_speech_for_long():
    endpointer = LoudnessEndpointer()
    spoken(endpointer, noise(-50, 100))
    spoken(endpointer, [bytes(2 * FRAME_SAMPLES)] * 1000)
    spoken(endpointer, noise(-50, round(30 / 0.03)))
    assert not endpointer.in_speech
    assert spoken(endpointer, noise(-50, 100)) == []


def test_silence_is_silence():
    assert heard(Transcriber(endpointer=LoudnessEndpointer(), recogniser=NoRecogniser()), silence(5.0)) == []
    assert NoRecogniser().guess() is None
