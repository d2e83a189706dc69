"""Packets to samples, whatever is in them: what cannot be decoded is made up, and all of it is counted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_SAMPLES, RATE_HZ
from service.core.ports import Decoder
from service.dsp.playout_stats import PlayoutStats

Samples = NDArray[np.float32]

OPUS_STEP = RATE_HZ // 400  # Opus conceals in multiples of 2.5 ms


class Decoding:
    """One stream's decoder. Nothing here raises."""

    def __init__(self, decoder: Decoder, stats: PlayoutStats) -> None:
        self._decoder, self._stats = decoder, stats

    def decode(self, payload: bytes) -> Samples:
        """The samples of one packet; a corrupt one costs its own frame."""
        piece = self._tried(lambda: self._decoder.decode(payload))
        if piece is None:
            return self.conceal(FRAME_SAMPLES)
        self._stats.played += 1
        return piece

    def recover(self, next_payload: bytes, gap: int) -> Samples:
        """The samples before the next packet, from its copy of them."""
        whole = _whole(gap)
        piece = self._tried(lambda: self._decoder.recover(next_payload, whole))
        if piece is None:
            return self.conceal(gap)
        self._stats.fec += 1
        return piece[-gap:]

    def conceal(self, samples: int) -> Samples:
        """Something that goes on from what was decoded last."""
        self._stats.concealed += 1
        return self.comfort(samples)

    def comfort(self, samples: int) -> Samples:
        """The same where the sender is silent: no loss."""
        piece = self._tried(lambda: self._decoder.conceal(_whole(samples)))
        return np.zeros(samples, np.float32) if piece is None else piece[:samples]

    def _tried(self, decode: Callable[[], bytes]) -> Samples | None:
        try:
            piece = np.frombuffer(decode(), "<f4")
        except ValueError:
            self._stats.corrupt += 1
            return None
        if not len(piece) or not math.isfinite(float(piece @ piece)):
            self._stats.corrupt += 1
            return None
        return piece


def _whole(samples: int) -> int:
    return -(-samples // OPUS_STEP) * OPUS_STEP
