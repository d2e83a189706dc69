"""Sound from one card's clock to another's: the floor, on its way from line-in to line-out (audio-path 7).

Pure: the time that passes is the samples that are asked for.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ
from service.dsp.drift import DriftLoop, Pacer, Resampler
from service.dsp.fader import FALL, faded_in

Samples = NDArray[np.float32]

HEADROOM = RATE_HZ // 50  # what is left after the emptiest pull of a second: cards hand over in bursts
MOST = RATE_HZ // 5  # beyond the headroom, and the oldest is not heard any more
LEAST = RATE_HZ // 1000  # less could not fade out without a click
WINDOW = RATE_HZ


class Bridge:
    """What was put in comes out `delay_s` and some 20 to 40 ms later, however long the clocks run apart; silence where
    nothing came. `put` and `pull` are called under one lock of the caller's. What nobody pulls is forgotten."""

    def __init__(self, *, resampler: Resampler, delay_s: float = 0.0) -> None:
        self._target = HEADROOM + round(delay_s * RATE_HZ)
        self._drift, self._pacer = DriftLoop(), Pacer(resampler)
        self._blocks: deque[Samples] = deque()
        self._held = 0
        self._flowing = False
        self._ringing = False  # the end of the last sound is still in the resampler
        self._emptiest, self._asked = 0, 0  # in this window
        self.gaps = 0  # how often it ran dry

    @property
    def held_s(self) -> float:
        """How much sound is on its way."""
        return (self._held + self._pacer.held_samples) / RATE_HZ

    @property
    def rate(self) -> float:
        """By how much the giving clock is the faster one, as far as that is known."""
        return self._drift.learnt

    def put(self, samples: Samples) -> None:
        """Line-in has heard this."""
        self._blocks.append(samples)
        self._held += len(samples)
        if self._held > self._target + MOST:
            self._take(self._held - self._target - len(samples))
            self._begin_window()

    def pull(self, samples: int) -> Samples:
        """So many samples."""
        if not self._flowing and self._held < self._target + samples:
            ringing, self._ringing = self._ringing, False
            return self._pacer.give(samples, _silence, rate=self._drift.rate) if ringing else _silence(samples)
        if self._flowing:
            return self._flow(samples)
        self._flowing = True
        self._begin_window()
        return faded_in(self._flow(samples))

    def _flow(self, samples: int) -> Samples:
        given = self._pacer.give(samples, self._taken, rate=self._drift.rate)
        self._emptiest = min(self._emptiest, self._held)
        self._asked += samples
        if self._asked >= WINDOW:
            self._drift.steer((self._emptiest - self._target) / RATE_HZ, self._asked / RATE_HZ)
            self._begin_window()
        return given

    def _taken(self, samples: int) -> Samples:
        taken = self._take(samples)
        if self._held < LEAST and self._flowing:
            # As good as dry. What there is fades out, and the next sound begins anew.
            self._flowing, self._ringing = False, True
            self.gaps += 1
            fall = FALL[max(0, len(FALL) - len(taken)) :]
            taken[len(taken) - len(fall) :] *= fall
            taken = np.concatenate([taken, _silence(samples - len(taken))])
        return taken

    def _take(self, samples: int) -> Samples:
        pieces: list[Samples] = []
        while samples > 0 and self._blocks:
            block = self._blocks.popleft()
            if len(block) > samples:
                self._blocks.appendleft(block[samples:])
                block = block[:samples]
            samples -= len(block)
            self._held -= len(block)
            pieces.append(block)
        return np.concatenate(pieces) if pieces else _silence(0)

    def _begin_window(self) -> None:
        self._emptiest, self._asked = self._held, 0


def _silence(samples: int) -> Samples:
    return np.zeros(samples, np.float32)
