"""The card's clock and the sender's: the slow loop that makes one follow the other (audio-path 4.7)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

MOST = 500e-6  # 0.9 cent: nobody hears it
FAST_S, SLOW_S = 60.0, 600.0  # the loop's time constant, over 2 pi: fast at first, slow for life


class DriftLoop:
    """Finds the rate, samples taken from the sender per sample played less one, at which the delay stays.

    `learnt` is what is left when the delay is right: it outlives pauses and streams. `ppm` was learnt before.
    Of an error no more than `believed_s` is learnt, where the rest has other causes.
    """

    def __init__(self, *, ppm: float | None = None, believed_s: float = math.inf) -> None:
        self._believed_s = believed_s
        self._age_s = 0.0 if ppm is None else SLOW_S
        self.learnt = _bounded((ppm or 0.0) * 1e-6)
        self.rate = self.learnt

    @property
    def known(self) -> bool:
        """Whether `learnt` is worth keeping: before that, a bad minute moves it too far."""
        return self._age_s >= SLOW_S

    def steer(self, error_s: float, elapsed_s: float, *, learn: bool = True) -> None:
        """The delay was so much too long for so long. Without `learn` that is put right, and has other causes."""
        self._age_s += elapsed_s if learn else 0.0
        speed = 2 * math.pi / min(max(self._age_s, FAST_S), SLOW_S)
        drift_s = min(self._believed_s, max(-self._believed_s, error_s))
        if learn:
            self.learnt = _bounded(self.learnt + speed * speed * drift_s * elapsed_s)
        self.rate = _bounded(2 * speed * error_s + self.learnt)

    def hold(self) -> None:
        """The delay tells nothing now."""
        self.rate = self.learnt


class Resampler(Protocol):
    """A variable ratio near 1. What it is fed it gives back, changed in pace, `held_samples` later."""

    held_samples: int

    def resample(self, samples: Samples, rate: float) -> Samples:
        """Feed it; what comes out, one sample more or less. 1 + `rate` of what it is fed become one."""


class Pacer:
    """As many samples as the card asks for, from a stream that runs a little faster or slower.

    Once used it is never by-passed: that would be a click (audio-path 4.7).
    """

    def __init__(self, resampler: Resampler) -> None:
        self._resampler = resampler
        self._ready: Samples = np.zeros(0, np.float32)

    @property
    def held_samples(self) -> int:
        """Taken and not given yet."""
        return self._resampler.held_samples + len(self._ready)

    def give(self, samples: int, take: Callable[[int], Samples], *, rate: float) -> Samples:
        """Exactly so many; `take` is asked for as many as that needs, one more or less."""
        while len(self._ready) < samples:
            more = self._resampler.resample(take(samples - len(self._ready)), rate)
            self._ready = np.concatenate([self._ready, more]) if len(self._ready) else more
        given, self._ready = self._ready[:samples], self._ready[samples:]
        return given


def _bounded(rate: float) -> float:
    return min(MOST, max(-MOST, rate))
