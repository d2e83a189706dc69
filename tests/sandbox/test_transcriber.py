from collections import deque

import numpy as np
import pytest

from service.sandbox.transcriber import Partial, Transcriber, Utterance
from tests.fakes.speech import heard, utterances

FRAME_BYTES = 48 * 30 * 2  # 30 ms at 48 kHz
WINDOW = 4
TAIL = 2  # frames that an utterance has after the last loud one: the filter's delay, and the last of the endpointer


class Ends:
    """An endpointer that behaves as pocketsphinx's does: begins and ends when all frames of its window agree."""

    def __init__(self) -> None:
        self.in_speech, self.speech_start = False, 0.0
        self.window: deque[bytes] = deque()
        self.taken = 0

    def process(self, frame: bytes) -> bytes | None:
        self.window.append(frame)
        loud = sum(np.abs(np.frombuffer(frame, np.int16)).max() > 500 for frame in self.window)
        if not self.in_speech and loud == WINDOW:
            self.in_speech, self.speech_start = True, self.taken * 0.03
        elif self.in_speech and loud == 0:
            self.in_speech = False
            return self.take()
        if self.in_speech or len(self.window) == WINDOW:
            frame = self.take()
            return frame if self.in_speech else None
        return None

    def take(self) -> bytes:
        self.taken += 1
        return self.window.popleft()


class Ear:
    """A recogniser that remembers how much it heard, and understands what it is told to."""

    def __init__(self, understands: str | None = "good morning") -> None:
        self.understands, self.guesses = understands, iter(())
        self.seconds: list[float] = []
        self.pieces: list[bytes] = []

    def begin(self) -> None:
        self.seconds.append(0.0)
        self.pieces.append(b"")

    def hear(self, pcm: bytes) -> None:
        self.seconds[-1] += len(pcm) / 32_000
        self.pieces[-1] += pcm

    def guess(self) -> str | None:
        return next(self.guesses, None)

    def end(self) -> str | None:
        return self.understands


def numbered(frames: int) -> bytes:
    """Loud sound in which every sample tells its place: 6000, 6001, 6002 ..."""
    return (np.arange(frames * FRAME_BYTES // 2) % 20_000 + 6_000).astype("<i2").tobytes()


def quiet(frames: int) -> bytes:
    return bytes(frames * FRAME_BYTES)


def test_an_utterance_comes_with_its_place_and_with_300_ms_of_what_came_before():
    ear, sound = Ear(), quiet(40) + numbered(50) + quiet(40)
    (utterance,) = heard(Transcriber(endpointer=Ends(), recogniser=ear), sound)
    assert (utterance.text, utterance.understood) == ("good morning", True)
    assert utterance.start_s == pytest.approx(40 * 0.03)
    assert utterance.end_s == pytest.approx((90 + TAIL) * 0.03)
    assert utterance.audio == sound[30 * FRAME_BYTES : (90 + TAIL) * FRAME_BYTES]
    assert ear.seconds == [pytest.approx((60 + TAIL) * 0.03)]


def test_what_is_not_understood_has_no_text_but_its_sound():
    (utterance,) = heard(Transcriber(endpointer=Ends(), recogniser=Ear(None)), quiet(20) + numbered(20) + quiet(20))
    assert (utterance.text, utterance.understood) == ("", False)
    assert len(utterance.audio) == (30 + TAIL) * FRAME_BYTES


def test_speech_at_the_very_beginning_has_nothing_before_it():
    sound = numbered(20) + quiet(20)
    (utterance,) = heard(Transcriber(endpointer=Ends(), recogniser=Ear()), sound)
    assert utterance.start_s == 0.0
    assert utterance.audio == sound[: (20 + TAIL) * FRAME_BYTES]


def test_the_lead_in_does_not_reach_back_into_the_utterance_before():
    ear, sound = Ear(), quiet(20) + numbered(20) + quiet(6) + numbered(20) + quiet(20)
    first, second = heard(Transcriber(endpointer=Ends(), recogniser=ear), sound)
    assert first.audio + second.audio == sound[10 * FRAME_BYTES : (66 + TAIL) * FRAME_BYTES]
    assert sum(ear.seconds) == pytest.approx((56 + TAIL) * 0.03)


def test_a_speaker_without_pauses_is_cut_and_nothing_is_lost_or_doubled():
    frames = round(40.0 / 0.03)
    sound = quiet(20) + numbered(frames) + quiet(20)
    ear = Ear(None)
    pieces = heard(Transcriber(endpointer=Ends(), recogniser=ear), sound)
    assert [round(piece.end_s - piece.start_s) for piece in pieces] == [15, 15, 10]
    assert b"".join(piece.audio for piece in pieces) == sound[10 * FRAME_BYTES : (20 + frames + TAIL) * FRAME_BYTES]
    assert sum(ear.seconds) == pytest.approx((10 + frames + TAIL) * 0.03)


def test_blocks_of_any_length_give_the_same():
    sound = quiet(20) + numbered(30) + quiet(15) + numbered(20) + quiet(20)
    whole = utterances(Transcriber(endpointer=Ends(), recogniser=Ear()).feed(sound))
    assert len(whole) == 2
    for block in (1920, 2 * 777, 2 * 5000):
        transcriber = Transcriber(endpointer=Ends(), recogniser=Ear())
        events = [event for at in range(0, len(sound), block) for event in transcriber.feed(sound[at : at + block])]
        assert utterances(events) == whole


def test_guesses_are_told_when_they_change_and_say_something():
    ear = Ear("we need your support")
    ear.guesses = iter([None, "we", "we need your", "we need your", "we need your support"])
    events = Transcriber(endpointer=Ends(), recogniser=ear).feed(quiet(20) + numbered(60) + quiet(20))
    assert events[:-1] == [Partial("we need your"), Partial("we need your support")]
    assert isinstance(events[-1], Utterance)


def test_the_end_of_the_stream_ends_the_utterance():
    transcriber = Transcriber(endpointer=Ends(), recogniser=Ear())
    assert utterances(transcriber.feed(quiet(20) + numbered(20))) == []
    assert len(utterances(transcriber.finish())) == 1
    assert transcriber.finish() == []


def test_the_engines_never_hear_digital_silence_and_listeners_never_the_hiss():
    ear = Ear()
    transcriber = Transcriber(endpointer=Ends(), recogniser=ear)
    (utterance,) = heard(transcriber, quiet(20) + numbered(20) + quiet(20))
    lead_in = np.frombuffer(ear.pieces[0], np.int16)[: 9 * 480].astype(float)
    assert 0.5 < lead_in.std() < 2.0
    assert utterance.audio[: 9 * FRAME_BYTES] == quiet(9)


def test_silence_does_not_pile_up():
    transcriber = Transcriber(endpointer=Ends(), recogniser=Ear())
    for _ in range(20):
        assert transcriber.feed(quiet(100)) == []
    assert len(transcriber._sound) + len(transcriber._speech) <= 22 * FRAME_BYTES
