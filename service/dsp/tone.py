"""Sounds of our own making."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ
from service.dsp.fader import Fader

Samples = NDArray[np.float32]

RAMP_SAMPLES = RATE_HZ // 50
BEEP_HZ, BEEP_DBFS, BEEP_S, EVERY_S = 660.0, -36.0, 0.2, 4.0  # says that somebody takes care, and disturbs nobody


class Sine:
    """One that begins and ends in ramps, and is silent before and afterwards. `level_dbfs` is that of its peaks."""

    def __init__(self, *, hz: float, level_dbfs: float, seconds: float) -> None:
        self._step = 2 * np.pi * hz / RATE_HZ
        self._amplitude = 10 ** (level_dbfs / 20)
        self._left = max(round(seconds * RATE_HZ), 2 * RAMP_SAMPLES)
        self._phase = 0.0
        self._fader = Fader(0.0)
        self._fader.to(1.0, samples=RAMP_SAMPLES)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more of it."""
        return self._left <= 0

    def end(self) -> None:
        """Go to its end now, by the ramp."""
        self._left = min(self._left, RAMP_SAMPLES)

    def pull(self, samples: int) -> Samples:
        """The next samples."""
        until_ramp = max(0, self._left - RAMP_SAMPLES)
        if until_ramp < samples:  # the ramp begins within this block
            head = self._fader.gains(until_ramp)
            self._fader.to(0.0, samples=RAMP_SAMPLES)
            envelope = np.concatenate([head, self._fader.gains(samples - until_ramp)])
        else:
            envelope = self._fader.gains(samples)
        phases = self._phase + self._step * np.arange(samples)
        self._phase = float(phases[-1] + self._step) % (2 * np.pi)
        self._left -= samples
        tone: Samples = (self._amplitude * envelope * np.sin(phases)).astype(np.float32)
        return tone


class Beeps:
    """A short tone every few seconds, for ever."""

    def __init__(self) -> None:
        beep = Sine(hz=BEEP_HZ, level_dbfs=BEEP_DBFS, seconds=BEEP_S)
        self._round = beep.pull(round(EVERY_S * RATE_HZ))
        self._at = 0

    def pull(self, samples: int) -> Samples:
        """So many samples."""
        at, self._at = self._at, (self._at + samples) % len(self._round)
        return np.take(self._round, np.arange(at, at + samples), mode="wrap")
