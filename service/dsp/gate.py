"""Is anybody speaking? An energy gate against the room's own noise (audio-path 7)."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_MS

QUIETEST_DBFS, ABOVE_FLOOR_DB = -50.0, 9.0
# Not below what could matter: after digital silence the way up to a fan would take a minute.
LOWEST_DBFS = QUIETEST_DBFS - ABOVE_FLOOR_DB
FALL = 0.3  # of the way, per frame
RISE_DB = 1.0 * FRAME_MS / 1000  # per frame: follows a fan, not a sentence
OPENS, OF = 3, 5
HANG_FRAMES = 800 // FRAME_MS


class Gate:
    """Hears one frame of 20 ms after another.

    `active` says whether the last one was louder than the noise, `is_open` whether there is speech: it opens on three
    active frames of five and stays open for 800 ms after the last.
    """

    def __init__(self) -> None:
        self._floor_dbfs = QUIETEST_DBFS
        self._recent: deque[bool] = deque(maxlen=OF)
        self._hang = 0
        self.active = False

    @property
    def is_open(self) -> bool:
        """Whether somebody speaks, or has just stopped."""
        return self._hang > 0

    def hear(self, frame: NDArray[np.int16]) -> None:
        """The next frame."""
        samples = frame.astype(np.float32)
        level_dbfs = 10 * math.log10(float(np.dot(samples, samples)) / len(samples) / 32768**2 + 1e-12)
        if level_dbfs < self._floor_dbfs:
            self._floor_dbfs += FALL * (level_dbfs - self._floor_dbfs)
        else:
            self._floor_dbfs = min(level_dbfs, self._floor_dbfs + RISE_DB)
        self._floor_dbfs = max(LOWEST_DBFS, self._floor_dbfs)
        self.active = level_dbfs > self._floor_dbfs + ABOVE_FLOOR_DB
        self._recent.append(self.active)
        if sum(self._recent) >= OPENS or (self.active and self.is_open):
            self._hang = HANG_FRAMES
        elif self._hang:
            self._hang -= 1
