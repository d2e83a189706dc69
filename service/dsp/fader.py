"""Gains that change without a click."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ

Samples = NDArray[np.float32]


def rise(samples: int) -> Samples:
    """From nearly 0 to 1: half a period of a cosine, whose slope has no corner that could be heard."""
    steps = np.arange(1, samples + 1, dtype=np.float32) / samples
    return ((1.0 - np.cos(np.pi * steps)) / 2).astype(np.float32)


RISE = rise(RATE_HZ // 200)  # 5 ms, for what begins or ends at once (audio-path 7)
FALL = 1.0 - RISE


def faded_in(samples: Samples) -> Samples:
    """The same out of silence, along the last axis."""
    heard = samples.copy()
    heard[..., : len(RISE)] *= RISE[: samples.shape[-1]]
    return heard


class Fader:
    """A gain, and the way to the one that is wanted, over as many blocks as that takes."""

    def __init__(self, gain: float) -> None:
        self._now = self._wanted = gain
        self._way: Samples = np.zeros(0, np.float32)

    def to(self, gain: float, *, samples: int) -> None:
        """From the next block on go to `gain` within `samples`; nothing changes if that is wanted already."""
        if gain != self._wanted:
            self._wanted = gain
            self._way = self._now + (gain - self._now) * rise(samples)

    def rests_at(self, gain: float) -> bool:
        """Whether it has this gain and is not on its way to another one."""
        return self._wanted == gain and not len(self._way)

    def gains(self, samples: int) -> Samples:
        """The gain of each of the next samples."""
        way, self._way = self._way[:samples], self._way[samples:]
        if len(way):
            self._now = float(way[-1])
        return np.concatenate([way, np.full(samples - len(way), self._wanted, np.float32)])
