"""Two sides of line-in that are made one: do they cancel each other? A balanced pair on a stereo socket does, when one
side carries the signal and the other the same upside down (audio-path 1.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ
from service.dsp.meter import FullScale

NOTICE = (
    'the two sides of line-in cancel each other out: take one of them (audio.input.channel = "left"), or mend the plug'
)

WINDOW = 10 * RATE_HZ
CANCELLED = 10 ** (-20 / 10)
QUIET = 10 ** (-60 / 10) * 32768**2


class Sides:
    """Give it every block, a row per sample; the first two columns are looked at."""

    def __init__(self) -> None:
        self.cancel = False
        self._clips = FullScale(), FullScale()
        self._energies = np.zeros(3)  # of one side, the other, and their mean
        self._samples = 0

    def hear(self, raw: NDArray[np.int16]) -> bool:
        """Whether one of them is too loud for the card in this block."""
        if raw.shape[1] < 2:
            return False
        left, right = raw[:, 0].astype(np.float32), raw[:, 1].astype(np.float32)
        self._energies += [np.dot(side, side) for side in (left, right, (left + right) / 2)]
        self._samples += len(raw)
        if self._samples >= WINDOW:
            self._judge()
        return any([clip.hear(raw[:, side]) for side, clip in enumerate(self._clips)])

    def _judge(self) -> None:
        """By the energy of ten seconds, so that what is heard in the speaker's pauses hardly counts."""
        louder, mean = max(self._energies[:2]), self._energies[2]
        if louder > QUIET * self._samples:  # else there is nothing to tell
            self.cancel = bool(mean < CANCELLED * louder)
        self._energies, self._samples = np.zeros(3), 0
