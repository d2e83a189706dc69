"""Speech is cut into utterances, and each is recognised or declared not understood."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from service.core.audio import RATE_HZ
from service.sandbox.resample import Resampler

SPEECH_RATE_HZ = 16_000
FRAME_MS = 30  # of the endpointers
LONGEST_S = 15.0  # nobody waits longer for an interpreter: the utterance is cut where it stands

_PRE_ROLL = 10  # frames, 300 ms: without them the first "the" is lost
_PARTIAL_EVERY = 10  # frames
_PARTIAL_WORDS = 3  # fewer say nothing about the topic
_SPEECH_FRAME_BYTES = SPEECH_RATE_HZ * FRAME_MS // 1000 * 2
_SOUND_FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
# In digital silence the WebRTC detector inside pocketsphinx sticks to "speech": of 564 sentences 0.8 s apart it
# merged 36 into the one before (104 when they were quiet), and none with a hiss of one bit. MUTE is digital silence.
_HISS = np.random.default_rng(1).normal(0.0, 1.0, (33, SPEECH_RATE_HZ * FRAME_MS // 1000)).round().astype(np.int16)


@dataclass(frozen=True, slots=True)
class Partial:
    """What the utterance under way seems to be; the next one may say otherwise."""

    text: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech; seconds count from the first sample of the stream.

    `text` is what was recognised, empty when not `understood`. It need not be one of the phrases.
    `audio` is the sound, mono s16 at 48 kHz, with up to 300 ms of what came before.
    """

    text: str
    understood: bool
    start_s: float
    end_s: float
    audio: bytes = field(repr=False)


Event = Partial | Utterance


class Endpointer(Protocol):
    """Tells speech from silence, with the contract of `pocketsphinx.Endpointer`: `process` takes one frame of 30 ms
    and returns one of speech, some frames late, or None. With the last frame of an utterance `in_speech` is False."""

    @property
    def in_speech(self) -> bool: ...
    @property
    def speech_start(self) -> float: ...
    def process(self, frame: bytes) -> bytes | None: ...


class Recogniser(Protocol):
    """Recognises one utterance at a time, 16 kHz mono s16. None: not understood."""

    def begin(self) -> None: ...
    def hear(self, pcm: bytes) -> None: ...
    def guess(self) -> str | None: ...
    def end(self) -> str | None: ...


class Transcriber:
    """Listens to one speaker. Fed with blocks of any length, mono s16 at 48 kHz, gaps filled with silence.

    An utterance is reported 0.3 to 0.4 s after its last sound. A frame takes up to 6 ms of CPU on a desk, an estimated
    36 on a Pi 4: this does not belong beside a 20 ms sound loop.
    """

    def __init__(self, *, endpointer: Endpointer, recogniser: Recogniser) -> None:
        self._endpointer = endpointer
        self._recogniser = recogniser
        self._resampler = Resampler(from_hz=RATE_HZ, to_hz=SPEECH_RATE_HZ)
        self._speech = bytearray()  # 16 kHz, not yet a frame
        self._count = 0  # frames since the start of the stream; all positions below are frames, too
        self._recent: deque[bytes] = deque(maxlen=2 * _PRE_ROLL)  # what waits in the endpointer, and the pre-roll
        self._sound = bytearray()  # 48 kHz, from _sound_from on
        self._sound_from = 0
        self._heard = 0  # where the recogniser stands
        self._start: int | None = None  # of the utterance under way
        self._partial = ""

    def feed(self, pcm: bytes) -> list[Event]:
        """Take the next samples; returns what they brought to light, in order."""
        self._sound += pcm
        self._speech += self._resampler.feed(pcm)
        events: list[Event] = []
        while len(self._speech) >= _SPEECH_FRAME_BYTES:
            frame = _hissing(self._speech[:_SPEECH_FRAME_BYTES], self._count)
            del self._speech[:_SPEECH_FRAME_BYTES]
            self._recent.append(frame)
            self._count += 1
            speech = self._endpointer.process(frame)
            if speech is None:
                self._drop_sound(before=self._count - 2 * _PRE_ROLL)
            else:
                events += self._hear(speech)
        return events

    def finish(self) -> list[Event]:
        """The stream pauses or ends: the utterance under way is ended as by 0.6 s of silence."""
        return self.feed(bytes(20 * _SOUND_FRAME_BYTES))

    def _hear(self, speech: bytes) -> list[Event]:
        events: list[Event] = []
        if self._start is None:
            self._start = self._begin()
        self._recogniser.hear(speech)
        self._heard += 1
        spoken = self._heard - self._start
        if not self._endpointer.in_speech or _seconds(spoken) >= LONGEST_S:
            events.append(self._end(self._start))
        elif spoken % _PARTIAL_EVERY == 0:
            events += self._guess()
        return events

    def _begin(self) -> int:
        """Start an utterance with the pre-roll, which does not reach back into the one before; returns its start."""
        # After a cut the endpointer is still in the same speech and names its old start.
        start = max(_frame(self._endpointer.speech_start), self._heard)
        oldest = self._count - len(self._recent)
        pre_roll = max(start - _PRE_ROLL, self._heard, oldest)
        self._drop_sound(before=pre_roll)
        self._recogniser.begin()
        self._recogniser.hear(b"".join(list(self._recent)[pre_roll - oldest : start - oldest]))
        self._heard = start
        self._partial = ""
        return start

    def _guess(self) -> list[Event]:
        text = self._recogniser.guess() or ""
        if text == self._partial or len(text.split()) < _PARTIAL_WORDS:
            return []
        self._partial = text
        return [Partial(text)]

    def _end(self, start: int) -> Utterance:
        text = self._recogniser.end()
        self._start = None
        return Utterance(
            text=text or "",
            understood=text is not None,
            start_s=_seconds(start),
            end_s=_seconds(self._heard),
            audio=bytes(self._sound[: (self._heard - self._sound_from) * _SOUND_FRAME_BYTES]),
        )

    def _drop_sound(self, *, before: int) -> None:
        if before > self._sound_from:
            del self._sound[: (before - self._sound_from) * _SOUND_FRAME_BYTES]
            self._sound_from = before


def _hissing(pcm: bytearray, position: int) -> bytes:
    samples = np.frombuffer(pcm, np.int16).astype(np.int32) + _HISS[position % len(_HISS)]
    return bytes(samples.clip(-32768, 32767).astype(np.int16).tobytes())


def _seconds(frames: int) -> float:
    return frames * FRAME_MS / 1000


def _frame(seconds: float) -> int:
    return round(seconds * 1000 / FRAME_MS)
