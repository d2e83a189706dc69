"""Decoded samples on their way to the card: one period after another, at the card's pace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.dsp import splice
from service.dsp.drift import Pacer, Resampler
from service.dsp.fader import FALL
from service.dsp.playout_stats import PlayoutStats

Samples = NDArray[np.float32]


class Outlet:
    """What is appended is given, in order. Without a resampler the card's pace is the sender's."""

    def __init__(self, resampler: Resampler | None, stats: PlayoutStats) -> None:
        self._stats = stats
        self._pacer = None if resampler is None else Pacer(resampler)
        self._samples: Samples = np.zeros(0, np.float32)  # at most one packet and one pull

    @property
    def waiting(self) -> int:
        """How many samples can be given."""
        return len(self._samples)

    @property
    def ahead(self) -> int:
        """How many are heard before what is appended next."""
        return len(self._samples) + (self._pacer.held_samples if self._pacer else 0)

    def append(self, piece: Samples) -> None:
        """To be heard after the rest."""
        self._samples = np.concatenate([self._samples, piece])

    def cut(self) -> bool:
        """Fade out at once and forget the rest; False where there is too little for that."""
        if len(self._samples) < len(FALL):
            return False
        self._samples = self._samples[: len(FALL)] * FALL
        return True

    def splice(self, wanted: int, *, most: int, longer: bool, eager: bool) -> bool:
        """Make what waits one pitch period longer or shorter, in silence by what is wanted; whether it could be."""
        lag = splice.pitch_period(self._samples, wanted=wanted, most=most, eager=eager)
        if lag is None:
            return False
        self._samples = splice.twice(self._samples, lag) if longer else splice.without(self._samples, lag)
        self._stats.inserted += longer
        self._stats.removed += not longer
        return True

    def give(self, samples: int, *, rate: float) -> Samples:
        """Exactly so many, 1 + `rate` of those that wait for one."""
        return self._take(samples) if self._pacer is None else self._pacer.give(samples, self._take, rate=rate)

    def _take(self, samples: int) -> Samples:
        taken, self._samples = self._samples[:samples], self._samples[samples:]
        if len(taken) < samples:
            self._stats.silence_samples += samples - len(taken)
            taken = np.concatenate([taken, np.zeros(samples - len(taken), np.float32)])
        return taken
