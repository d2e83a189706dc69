"""Does line-in hear line-out? Then the translation is translated, and so on (audio-path 7).

Two envelopes that rise and fall together, one up to 2 s after the other, are the same sound. What is slower than half
a second is taken out of both first: speaker and translation pause in turns, and the pauses alone would look alike.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

NOTICE = "line-in hears line-out: turn the loudspeakers down, or the microphones away from them"

STEP_S = 0.020
WINDOW, LAGS = round(20 / STEP_S), round(2 / STEP_S)
SLOW = round(0.5 / STEP_S)
FLOOR = 1e-7  # -70 dBFS: what is below is the same silence
LIVELY_DB = 1.0  # an envelope that moves less says nothing
ALIKE, RUN = 0.6, 2


class Envelope:
    """The power of the last 22 s in steps of 20 ms; written by one thread, read by another at any time."""

    def __init__(self) -> None:
        self._powers = np.zeros(WINDOW + LAGS)
        self._blocks = np.zeros(WINDOW + LAGS)
        self._step = 0

    def add(self, now_s: float, power: float) -> None:
        """The mean square of a block that ends now."""
        step, steps = int(now_s / STEP_S), len(self._powers)
        for passed in range(max(self._step + 1, step + 1 - steps), step + 1):
            self._powers[passed % steps] = self._blocks[passed % steps] = 0.0
        self._step = max(self._step, step)
        self._powers[step % steps] += power
        self._blocks[step % steps] += 1

    def until(self, now_s: float) -> NDArray[np.float64]:
        """In dB, the step before this moment last."""
        steps = np.arange(int(now_s / STEP_S) - len(self._powers), int(now_s / STEP_S))
        places = steps % len(self._powers)
        known = (steps <= self._step) & (steps > self._step - len(self._powers))
        powers = np.where(known, self._powers[places] / np.maximum(self._blocks[places], 1), 0.0)
        return np.asarray(10 * np.log10(np.maximum(powers, FLOOR)))


class FeedbackCheck:
    """Look every 10 s or so."""

    def __init__(self, line_in: Envelope, line_out: Envelope) -> None:
        self._in, self._out = line_in, line_out
        self._run = 0
        self.warning = False

    def look(self, now_s: float) -> None:
        """Twice alike is a warning, twice not alike ends it; where nothing sounds nothing is learnt."""
        score = likeness(self._in.until(now_s)[LAGS:], self._out.until(now_s))
        if score is None or (score > ALIKE) == self.warning:
            self._run = 0
            return
        self._run += 1
        if self._run == RUN:
            self.warning, self._run = not self.warning, 0


def likeness(heard: NDArray[np.float64], played: NDArray[np.float64]) -> float | None:
    """The best correlation of what was heard with what was played, now or up to 2 s before; None: too little sounds.

    `played` begins as much earlier as it is longer.
    """
    heard, earlier = _lively(heard), sliding_window_view(_lively(played), len(heard))
    heard, earlier = heard - heard.mean(), earlier - earlier.mean(axis=1, keepdims=True)
    most = len(heard) * np.std(heard) * np.std(earlier, axis=1)
    if np.std(heard) < LIVELY_DB or np.std(earlier) < LIVELY_DB:
        return None
    return float(np.max(earlier @ heard / np.maximum(most, 1e-9)))


def _lively(envelope: NDArray[np.float64]) -> NDArray[np.float64]:
    return envelope - np.convolve(envelope, np.ones(SLOW) / SLOW, "same")
