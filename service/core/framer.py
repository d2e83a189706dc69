"""Periods of any length in, frames of 20 ms out."""

from __future__ import annotations

from service.core.audio import FRAME_SAMPLES

FRAME_BYTES = FRAME_SAMPLES * 2


class Framer:
    """Cuts mono s16 into frames and numbers them; a card may hand over less than a period."""

    def __init__(self) -> None:
        self._left = bytearray()
        self._count = 0
        self._owed = 0  # samples of lost time that are not numbered yet, or too many (negative)

    def push(self, pcm: bytes) -> list[tuple[int, bytes]]:
        """The frames that are whole now, each with its number."""
        self._left += pcm
        frames = []
        while len(self._left) >= FRAME_BYTES:
            frames.append((self._count, bytes(self._left[:FRAME_BYTES])))
            del self._left[:FRAME_BYTES]
            self._count += 1
        return frames

    def skip(self, samples: int) -> None:
        """Time was lost: number on by whole frames, so that the far end hears a gap and not a slower clock."""
        # What waits belongs to the time before the gap.
        lost = len(self._left) // 2 + samples + self._owed
        frames = round(lost / FRAME_SAMPLES)
        self._left.clear()
        self._count += frames
        self._owed = lost - frames * FRAME_SAMPLES
