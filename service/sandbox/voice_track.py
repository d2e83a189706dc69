"""What the interpreter publishes: one gapless Opus stream per language, silent between phrases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from service.core.audio import FRAME_MS, FRAME_SAMPLES, RATE_HZ, EncodedFrame

FRAME_BYTES = FRAME_SAMPLES * 2
LATE_FRAMES = 10
MAX_LEVEL_MS = 20_000


class Encoder(Protocol):
    """20 ms of mono 48 kHz s16 in, one Opus packet out."""

    def encode(self, pcm: bytes) -> bytes:
        """The packet of exactly one frame."""


class VoiceTrack:
    """An EncodedSource paced by the clock. Sound put in with `say` is spoken in order."""

    def __init__(self, encoder: Encoder, *, clock: Callable[[], float]) -> None:
        self._encoder, self._clock = encoder, clock
        self._pcm = bytearray()
        self._sequence = 0
        self._frames = 0  # of time, skipped ones included
        self._started_s: float | None = None
        self.max_level_ms = MAX_LEVEL_MS

    @property
    def queue_level_ms(self) -> int:
        """What waits to be spoken."""
        return len(self._pcm) * 1000 // (2 * RATE_HZ)

    def say(self, pcm: bytes, identity: str = "") -> None:
        """Speak this after what is waiting: mono 48 kHz s16. Above `max_level_ms` the oldest is dropped, as the
        service does (palabra-api 4.5). A track does not tell whose translation it is."""
        self._pcm += pcm
        most = self.max_level_ms * RATE_HZ // 1000 * 2
        del self._pcm[: max(0, len(self._pcm) - most)]

    def drop(self) -> None:
        """Forget what is waiting."""
        self._pcm.clear()

    async def read(self) -> EncodedFrame:
        """The next frame when its time has come. After a stall the lost time is skipped, not made up for: the
        timestamp jumps as after a pause, and no packet is missing."""
        if self._started_s is None:
            self._started_s = self._clock()
        late_s = self._clock() - (self._started_s + self._frames * FRAME_MS / 1000)
        if late_s > LATE_FRAMES * FRAME_MS / 1000:
            self._frames += int(late_s * 1000 / FRAME_MS)
        elif late_s < 0:
            await asyncio.sleep(-late_s)
        pcm = bytes(self._pcm[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0")
        del self._pcm[:FRAME_BYTES]
        frame = EncodedFrame(
            self._sequence & 0xFFFF, self._frames * FRAME_SAMPLES & 0xFFFFFFFF, self._encoder.encode(pcm)
        )
        self._sequence, self._frames = self._sequence + 1, self._frames + 1
        return frame
