"""Sampling rates: mono s16 in at one, mono s16 out at another."""

from __future__ import annotations

import av
import numpy as np


class Resampler:
    """Carries its filter's memory from block to block, so that a stream can be fed in pieces (swresample)."""

    def __init__(self, *, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=to_hz)

    def feed(self, pcm: bytes) -> bytes:
        """The samples that are ready; a millisecond or so stays in the filter."""
        if not pcm:
            return b""
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, np.int16)[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = self._from_hz
        return self._bytes(self._resampler.resample(frame))

    def flush(self) -> bytes:
        """What is left in the filter; nothing may be fed afterwards."""
        return self._bytes(self._resampler.resample(None))

    @staticmethod
    def _bytes(frames: list[av.AudioFrame]) -> bytes:
        return b"".join(frame.to_ndarray().tobytes() for frame in frames)


def resample(pcm: bytes, *, from_hz: int, to_hz: int) -> bytes:
    """A whole sound at another rate."""
    resampler = Resampler(from_hz=from_hz, to_hz=to_hz)
    return resampler.feed(pcm) + resampler.flush()
