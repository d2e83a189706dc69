"""Bursts in, speech at its own pace out. Samples are numbered, so what is lost, doubled or late shows."""

import asyncio

import numpy as np
import pytest

from service.cloud.voices import FRAME_BYTES, TAIL_FRAMES, Voice, Voices
from service.core.audio import FRAME_SAMPLES, EncodedFrame
from service.core.messages import OutputAudio
from tests.fakes import virtual_time

SAMPLES = FRAME_BYTES // 2


class Encoder:
    """A packet is its samples."""

    def encode(self, pcm: bytes) -> bytes:
        assert len(pcm) == FRAME_BYTES
        return pcm


class Ear:
    """Keeps packets and the times at which they came."""

    def __init__(self, clock=lambda: 0.0) -> None:
        self._clock = clock
        self.frames: list[EncodedFrame] = []
        self.times_s: list[float] = []

    def push(self, frame: EncodedFrame) -> None:
        self.frames.append(frame)
        self.times_s.append(self._clock())

    @property
    def samples(self) -> list[int]:
        return [int(sample) for frame in self.frames for sample in np.frombuffer(frame.payload, "<i2")]


def numbered(samples: int, first: int = 1) -> bytes:
    return np.arange(first, first + samples).astype("<i2").tobytes()


def spoken(voice: Voice, ear: Ear, frames: int) -> list[int]:
    for at in range(frames):
        voice.speak(at * FRAME_SAMPLES)
    return ear.samples


def test_what_came_in_pieces_goes_on_whole_and_ends_in_silence():
    ear = Ear()
    voice = Voice(ear, Encoder())
    voice.say(numbered(700), last=False)
    voice.say(numbered(500, first=701), last=True)
    assert not voice.silent
    heard = spoken(voice, ear, 20)
    assert heard[:1200] == list(range(1, 1201))
    assert heard[1200:] == [0] * ((3 + TAIL_FRAMES) * SAMPLES - 1200)
    assert voice.silent


def test_less_than_a_frame_waits_for_the_rest_but_not_for_ever():
    ear = Ear()
    voice = Voice(ear, Encoder())
    voice.say(numbered(SAMPLES + 100), last=False)
    assert len(spoken(voice, ear, 5)) == SAMPLES
    voice.say(numbered(SAMPLES - 100, first=SAMPLES + 101), last=False)
    assert spoken(voice, ear, 1) == list(range(1, 2 * SAMPLES + 1))
    voice.say(numbered(100), last=False)
    assert spoken(voice, ear, 40)[2 * SAMPLES : 2 * SAMPLES + 101] == [*range(1, 101), 0]
    assert voice.silent


def test_of_too_much_the_oldest_goes():
    ear = Ear()
    voice = Voice(ear, Encoder())
    voice.max_queue_ms = 100
    voice.say(numbered(12 * SAMPLES), last=True)
    assert voice.dropped_ms == 140
    assert spoken(voice, ear, 20)[: 5 * SAMPLES] == list(range(7 * SAMPLES + 1, 12 * SAMPLES + 1))


def test_numbers_go_on_and_wrap():
    ear = Ear()
    voice = Voice(ear, Encoder())
    voice._sequence = 0xFFFF
    voice.say(bytes(2 * FRAME_BYTES), last=True)
    voice.speak(0xFFFFFFFF - 959)
    voice.speak(0x100000000)
    assert [(frame.sequence, frame.timestamp) for frame in ear.frames] == [(0xFFFF, 0xFFFFFFFF - 959), (0, 0)]


def test_a_burst_is_heard_at_its_own_pace_and_a_pause_is_a_gap_in_the_timestamps():
    async def story() -> None:
        clock = asyncio.get_running_loop().time
        ear = Ear(clock)
        voices = Voices(sink_for=lambda language: ear, new_encoder=Encoder, clock=clock)
        voices.want(("es",))
        playing = asyncio.ensure_future(voices.play())
        await asyncio.sleep(0.105)
        for _ in range(2):
            began_s = clock()
            assert voices.say(OutputAudio("es", numbered(10 * SAMPLES), last=True))
            await asyncio.sleep(1.0)
            first = ear.times_s[-10 - TAIL_FRAMES :]
            assert began_s <= first[0] <= began_s + 0.021
            assert first[-1] - first[0] == pytest.approx((9 + TAIL_FRAMES) * 0.02)
        offsets = [t - f.timestamp / 48_000 for t, f in zip(ear.times_s, ear.frames, strict=True)]
        assert max(offsets) - min(offsets) < 1e-6  # one clock for all of it
        assert [frame.sequence for frame in ear.frames] == list(range(2 * (10 + TAIL_FRAMES)))
        playing.cancel()

    virtual_time.run(story())


@pytest.mark.parametrize("held_s, made_good", [(0.06, True), (3.0, False)])
def test_a_loop_that_was_held_up_makes_good_little_and_loses_nothing(held_s, made_good):
    async def story() -> None:
        loop = asyncio.get_running_loop()
        ear = Ear(loop.time)
        voices = Voices(sink_for=lambda language: ear, new_encoder=Encoder, clock=loop.time)
        voices.want(("es",))
        playing = asyncio.ensure_future(voices.play())
        voices.say(OutputAudio("es", numbered(50 * SAMPLES), last=True))
        await asyncio.sleep(0.205)
        loop.now_s += held_s
        await asyncio.sleep(5.0)
        playing.cancel()
        assert ear.samples[: 50 * SAMPLES] == list(range(1, 50 * SAMPLES + 1))
        steps = {b.timestamp - a.timestamp for a, b in zip(ear.frames, ear.frames[1:], strict=False)}
        assert (steps == {FRAME_SAMPLES}) is made_good
        at_once = max(sum(abs(t - other) < 0.001 for other in ear.times_s) for t in ear.times_s)
        assert at_once == (3 if made_good else 1)

    virtual_time.run(story())


@pytest.mark.parametrize(
    "asked, language, heard",
    [
        ([("es", "fr")], "fr", "fr"),
        ([("en",)], "en-us", "en"),
        ([("en-gb", "es")], "en", "en-gb"),
        ([("zh",)], "zh-hans", "zh"),
        ([("es",)], "xx", "es"),  # the only one
        ([("es", "fr")], "xx", None),
        ([("es",), ("fr",)], "es", "es"),  # not changed over yet
        ([("en-gb",), ("fr",)], "en-us", "en-gb"),
        ([("en-gb",), ("en-us",)], "en", "en-us"),
    ],
)
async def test_speech_goes_to_the_language_that_was_asked_for(asked, language, heard):
    ears: dict[str, list[Ear]] = {}

    def sink_for(target: str) -> Ear:
        ears.setdefault(target, []).append(Ear())
        return ears[target][-1]

    voices = Voices(sink_for=sink_for, new_encoder=Encoder, clock=lambda: 0.0)
    for targets in asked:
        voices.want(targets)
        voices.want(targets)
    assert all(len(sinks) == 1 for sinks in ears.values())
    assert voices.say(OutputAudio(language, bytes(FRAME_BYTES), last=True)) is (heard is not None)
    assert [target for target, voice in voices._voices.items() if not voice.silent] == ([heard] if heard else [])


async def test_a_language_without_a_sink_is_heard_by_nobody():
    voices = Voices(sink_for=lambda language: None, new_encoder=Encoder, clock=lambda: 0.0)
    voices.want(("es",))
    assert voices.say(OutputAudio("es", bytes(FRAME_BYTES), last=True))
