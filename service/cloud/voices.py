"""Translated speech of the WebSocket on its way to the listeners.

It comes faster than it is spoken, as PCM, and goes on at its own pace, encoded like the packets of a room's track.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Protocol

from service.core.audio import FRAME_MS, FRAME_S, FRAME_SAMPLES, EncodedFrame
from service.core.languages import base_code
from service.core.messages import OutputAudio
from service.core.ports import EncodedSink
from service.core.socket_audio import MAX_QUEUE_MS, RATE_HZ

log = logging.getLogger(__name__)

MS_BYTES = 2 * RATE_HZ // 1000
FRAME_BYTES = MS_BYTES * FRAME_MS
UNFINISHED_FRAMES = 10  # how long less than a frame waits for the rest of it: `last` may never come
# The encoder's look-ahead brings the end of the speech into the next frame; and what the playout makes up when nothing
# follows is then made of silence.
TAIL_FRAMES = 2
LATE_FRAMES = 5  # a held-up loop makes good so much; after more the speech goes on later


class Encoder(Protocol):
    """20 ms of mono s16 at 24 kHz in, one Opus packet out."""

    def encode(self, pcm: bytes) -> bytes:
        """The packet of exactly one frame."""


class Voice:
    """One language. Each call of `speak` is 20 ms. Of what waits beyond `max_queue_ms` the oldest is dropped."""

    def __init__(self, sink: EncodedSink, encoder: Encoder) -> None:
        self._sink, self._encoder = sink, encoder
        self._pcm = bytearray()
        self._ended = True
        self._waited = self._tail = self._sequence = 0
        self.max_queue_ms = MAX_QUEUE_MS
        self.dropped_ms = 0

    @property
    def silent(self) -> bool:
        """Whether there is nothing more to say."""
        return not self._pcm and not self._tail

    def say(self, pcm: bytes, *, last: bool) -> None:
        """Speak this after what waits; `last` ends a phrase."""
        self._pcm += pcm
        surplus = max(0, len(self._pcm) - self.max_queue_ms * MS_BYTES)
        del self._pcm[:surplus]
        self.dropped_ms += surplus // MS_BYTES
        self._ended, self._waited, self._tail = last, 0, TAIL_FRAMES

    def speak(self, timestamp: int) -> None:
        """Send on what is due at this time, if anything is."""
        piece = self._take()
        if piece is not None:
            frame = EncodedFrame(self._sequence & 0xFFFF, timestamp & 0xFFFFFFFF, self._encoder.encode(piece))
            self._sequence += 1
            self._sink.push(frame)

    def _take(self) -> bytes | None:
        if 0 < len(self._pcm) < FRAME_BYTES and not self._ended and self._waited < UNFINISHED_FRAMES:
            self._waited += 1
            return None
        if not self._pcm:
            if not self._tail:
                return None
            self._tail -= 1
        piece = bytes(self._pcm[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0")
        del self._pcm[:FRAME_BYTES]
        return piece


class Voices:
    """The languages of one session; each has its sink from when it is first asked for."""

    def __init__(
        self,
        *,
        sink_for: Callable[[str], EncodedSink | None],
        new_encoder: Callable[[], Encoder],
        clock: Callable[[], float],
    ) -> None:
        self._sink_for, self._new_encoder, self._clock = sink_for, new_encoder, clock
        self._voices: dict[str, Voice | None] = {}  # None is heard by nobody
        self._targets: tuple[str, ...] = ()
        self._said = asyncio.Event()

    def want(self, targets: tuple[str, ...], *, max_queue_ms: int = MAX_QUEUE_MS) -> None:
        """These are asked for now; others may still be spoken until the cloud has changed over."""
        self._targets = targets
        for target in targets:
            if target not in self._voices:
                sink = self._sink_for(target)
                self._voices[target] = None if sink is None else Voice(sink, self._new_encoder())
            voice = self._voices[target]
            if voice is not None:
                voice.max_queue_ms = max_queue_ms

    def say(self, audio: OutputAudio) -> bool:
        """Speak it in its language; False when it is in none that was asked for."""
        target = self._target(audio.language)
        voice = None if target is None else self._voices[target]
        if voice is not None:
            complete = not voice.dropped_ms
            voice.say(audio.pcm, last=audio.last)
            if complete and voice.dropped_ms:
                log.warning("more speech in %s waits than may; from now on the oldest is dropped", target)
            self._said.set()
        return target is not None

    async def play(self) -> None:
        """Send the speech on, every 20 ms. Never returns."""
        began_s, at = self._clock(), 0
        while True:
            voices = [voice for voice in self._voices.values() if voice is not None]
            now = (self._clock() - began_s) / FRAME_S
            if all(voice.silent for voice in voices):
                self._said.clear()
                await self._said.wait()
                at = max(at, math.ceil((self._clock() - began_s) / FRAME_S))
            elif now < at - 0.01:  # timers are exact to less than that
                await asyncio.sleep((at - now) * FRAME_S)
            else:
                if now > at + LATE_FRAMES:
                    at = int(now)
                for voice in voices:
                    voice.speak(at * FRAME_SAMPLES)
                at += 1

    def _target(self, language: str) -> str | None:
        """Which of the languages that were asked for this is, when the cloud fills codes in (palabra-api 2.5, 3.4)."""
        if language in self._voices:
            return language
        asked = {target: base_code(target) for target in (*self._targets, *self._voices)}
        for target, base in asked.items():
            if base == base_code(language):
                return target
        return self._targets[0] if len(self._targets) == 1 else None
