"""Sounds of our own making."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ
from service.dsp.fader import rise

Samples = NDArray[np.float32]

RAMP_SAMPLES = RATE_HZ // 50
BEEP_HZ, BEEP_DBFS, BEEP_S, EVERY_S = 660.0, -36.0, 0.2, 4.0  # says that somebody takes care, and disturbs nobody


def tone(seconds: float, *, hz: float, level_dbfs: float) -> Samples:
    """A sine, its peak at `level_dbfs`, with ramps of 20 ms at both ends."""
    samples = max(2 * RAMP_SAMPLES, round(seconds * RATE_HZ))
    steps = np.arange(samples, dtype=np.float64)
    sound = (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * steps / RATE_HZ)).astype(np.float32)
    sound[:RAMP_SAMPLES] *= rise(RAMP_SAMPLES)
    sound[-RAMP_SAMPLES:] *= 1.0 - rise(RAMP_SAMPLES)
    return sound


class Beeps:
    """A short tone every few seconds, for ever."""

    def __init__(self) -> None:
        beep = tone(BEEP_S, hz=BEEP_HZ, level_dbfs=BEEP_DBFS)
        self._round = np.concatenate([beep, np.zeros(round(EVERY_S * RATE_HZ) - len(beep), np.float32)])
        self._at = 0

    def pull(self, samples: int) -> Samples:
        """So many samples."""
        at, self._at = self._at, (self._at + samples) % len(self._round)
        return np.take(self._round, np.arange(at, at + samples), mode="wrap")
