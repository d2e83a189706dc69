"""What is said while the translation is paused and being resumed, so that its first word is whole (audio-path 7).

One frame of 20 ms out for each that comes in, always: what was kept is sent in real time, and the backlog shrinks in
the speaker's pauses. The vendor takes no bursts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_MS, FRAME_SAMPLES
from service.dsp.fader import FALL, RISE
from service.dsp.gate import Gate

Frame = NDArray[np.int16]

ONSET = 200 // FRAME_MS  # the gate opens a little after the word has begun
# What is left of a pause while there is a backlog: 160 ms, of which the last belong to the soft beginning of a word.
TAIL, LEAD = 100 // FRAME_MS, 60 // FRAME_MS
THINNED = 40 // FRAME_MS  # and while there is far too much of it
MUCH, MOST = 4000 // FRAME_MS, 6000 // FRAME_MS
SECOND = 1000 // FRAME_MS
SILENCE = np.zeros(FRAME_SAMPLES, np.int16)


class _Mode(Enum):
    PASS = "what comes goes out"
    FLOW = "what comes goes out, after what was kept"
    HOLD = "silence goes out; of what comes the last is kept"
    KEEP = "silence goes out; all that comes is kept"


@dataclass(frozen=True, slots=True)
class _Kept:
    samples: Frame
    active: bool
    speech: bool


_NOTHING = _Kept(SILENCE, active=False, speech=False)


class CatchUp:
    """`hold`, `keep`, `go` and `clear` may be called by any thread, and count from the next frame on."""

    def __init__(self, *, pre_roll_s: float) -> None:
        self._pre_roll = round(pre_roll_s * 1000 / FRAME_MS)
        self._mode = _Mode.PASS
        self._holding = False
        self._gate = Gate()
        self._kept: deque[_Kept] = deque()
        self._quiet = 0  # inactive frames in a row that went out

    @property
    def speech(self) -> bool:
        """Whether somebody speaks, as far as the frames that came tell."""
        return self._gate.is_open

    @property
    def backlog_s(self) -> float:
        """How much later than it came a frame goes out now."""
        return 0.0 if self._holding else len(self._kept) * FRAME_MS / 1000

    def hold(self) -> None:
        """Paused."""
        self._mode = _Mode.HOLD

    def keep(self) -> None:
        """It is to go on: what is said from now on, and the pre-roll before, is to be heard."""
        if self._mode is _Mode.HOLD and self._pre_roll:
            self._mode = _Mode.KEEP

    def go(self) -> None:
        """It goes on: from the first word that was kept."""
        self._mode = _Mode.FLOW

    def clear(self) -> None:
        """It has ended: nothing that was kept is to be heard."""
        self._mode = _Mode.PASS

    def next(self, samples: Frame) -> Frame:
        """What goes out now that this frame has come."""
        self._gate.hear(samples)
        frame = _Kept(samples, self._gate.active, self._gate.active and self._gate.is_open)
        mode, held = self._mode, self._holding
        self._holding = mode in (_Mode.HOLD, _Mode.KEEP)
        if mode is _Mode.PASS or (self._holding and not held):
            before = self._kept[0] if self._kept else frame
            self._kept.clear()
            return _joined(before, SILENCE) if self._holding else samples
        self._kept.append(frame)
        if mode is _Mode.HOLD:
            while len(self._kept) > self._pre_roll:
                self._kept.popleft()
        self._bound()
        if self._holding:
            return SILENCE
        if held:
            self._quiet = 0
            self._drop_what_was_no_speech()
        going_out = self._oldest().samples
        return _joined(_NOTHING, going_out) if held else going_out

    def _drop_what_was_no_speech(self) -> None:
        # Without any, as much stays as a word may need to open the gate: one may just have begun.
        opened = next((place for place, frame in enumerate(self._kept) if frame.speech), len(self._kept))
        for _ in range(min(opened - ONSET, len(self._kept) - 1)):
            self._kept.popleft()

    def _oldest(self) -> _Kept:
        """The oldest frame, without what is too much of a pause."""
        frame = first = self._kept.popleft()
        while self._kept and self._quiet >= TAIL and not (frame.active or self._speech_is_near()):
            frame = self._kept.popleft()
        self._quiet = 0 if frame.active else self._quiet + 1
        return frame if frame is first else replace(frame, samples=_joined(first, frame.samples))

    def _speech_is_near(self) -> bool:
        return any(frame.active for frame in islice(self._kept, LEAD))

    def _bound(self) -> None:
        """Far behind, the oldest second of pauses goes, but 40 ms of each; where nobody pauses, the oldest sound."""
        if len(self._kept) > MUCH:
            self._thin()
        while len(self._kept) > MOST:
            self._kept.popleft()

    def _thin(self) -> None:
        thinner: deque[_Kept] = deque()
        quiet, dropped, first = 0, 0, None
        for frame in self._kept:
            quiet = 0 if frame.active else quiet + 1
            if quiet > THINNED and dropped < SECOND:
                dropped, first = dropped + 1, first or frame
                continue
            thinner.append(replace(frame, samples=_joined(first, frame.samples)) if first else frame)
            first = None
        self._kept = thinner


def _joined(before: _Kept, after: Frame) -> Frame:
    """What comes after something was left out: 5 ms of it fade into what is there now, so that nothing clicks."""
    joined = after.copy()
    head = len(RISE)
    joined[:head] = before.samples[:head] * FALL + after[:head] * RISE
    return joined
