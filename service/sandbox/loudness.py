"""Where pocketsphinx is missing: utterances are cut by their loudness, and none is understood."""

from __future__ import annotations

from collections import deque
from math import log10

import numpy as np

from service.sandbox.transcriber import FRAME_MS

_WINDOW = 10  # frames; all but one loud begins speech, none loud ends it
_ABOVE_FLOOR_DB = 12.0
_QUIETEST_DBFS = -55.0
_FLOOR_RISE_DB = 0.02  # per frame: follows a fan within a minute, a sentence hardly


class LoudnessEndpointer:
    """An endpointer (see transcriber.Endpointer) that knows only how loud a frame is against the room's quiet."""

    def __init__(self) -> None:
        self.in_speech = False
        self.speech_start = 0.0
        self._window: deque[tuple[bytes, bool]] = deque()
        self._taken = 0  # frames that have left the window
        self._floor_dbfs = 0.0

    def process(self, frame: bytes) -> bytes | None:
        """Take one frame of 30 ms; returns the one that leaves the window if it belongs to speech."""
        self._window.append((frame, self._loud(frame)))
        loud = sum(is_loud for _, is_loud in self._window)
        if not self.in_speech and loud >= _WINDOW - 1:
            self.in_speech = True
            self.speech_start = self._position_s()
        elif self.in_speech and loud == 0:
            self.in_speech = False
            return self._take()
        if self.in_speech or len(self._window) == _WINDOW:
            leaving = self._take()
            return leaving if self.in_speech else None
        return None

    def _take(self) -> bytes:
        self._taken += 1
        return self._window.popleft()[0]

    def _position_s(self) -> float:
        return self._taken * FRAME_MS / 1000

    def _loud(self, frame: bytes) -> bool:
        samples = np.frombuffer(frame, np.int16).astype(np.float64) / 32768
        level_dbfs = 10 * log10(float(np.mean(samples**2)) + 1e-12)
        # Not below what could matter: after digital silence the way up to a fan would take two minutes.
        lowest_dbfs = _QUIETEST_DBFS - _ABOVE_FLOOR_DB
        self._floor_dbfs = max(lowest_dbfs, min(level_dbfs, self._floor_dbfs + _FLOOR_RISE_DB))
        return level_dbfs > self._floor_dbfs + _ABOVE_FLOOR_DB


class NoRecogniser:
    """A recogniser (see transcriber.Recogniser) that understands nothing."""

    def begin(self) -> None:
        """Nothing to prepare."""

    def hear(self, pcm: bytes) -> None:
        """Nothing to hear with."""

    def guess(self) -> str | None:
        """Never."""
        return None

    def end(self) -> str | None:
        """Never."""
        return None
