"""Keeps the delay of a playout where it should be (audio-path 4.5, steps 4 and 5)."""

from __future__ import annotations

import math

from service.core.audio import RATE_HZ
from service.dsp.delay import WINDOW_S
from service.dsp.drift import DriftLoop
from service.dsp.outlet import Outlet

SLACK_S = 0.010
ABOVE_S = 0.005  # the delay is held in the middle between the target and target + slack
SPLICE_APART_S = 0.050
MENDED_S = 0.003  # splices go on to there
UNLEARNT_S = 10.0
HURRY_S = 0.050
BELIEVED_S = 0.015
DRIFT_S = 0.0005  # more comes from stalls, splices and changes of the target


class Steering:
    """Splices where the delay is wrong; where it is right, follows the drift of the clocks."""

    def __init__(self, outlet: Outlet, *, drift_ppm: float | None = None) -> None:
        self.drift = DriftLoop(ppm=drift_ppm, believed_s=DRIFT_S)
        self._outlet = outlet
        self.reset()

    def reset(self) -> None:
        """Another stream begins; the card's clock stays."""
        self._spliced_s = self._right_s = -math.inf  # when a splice was made, and when none was due

    def hold(self) -> None:
        """The delay tells nothing now."""
        self.drift.hold()

    def steer(self, now_s: float, above_s: float, elapsed_s: float) -> None:
        """The delay is so much above its target now; that much time passes until the next look."""
        mending = self._right_s == -math.inf
        if abs(above_s - ABOVE_S) <= (MENDED_S if mending else ABOVE_S):
            self._right_s = now_s
            # What a splice has left of an error is not drift.
            learn = now_s - self._spliced_s > UNLEARNT_S
            self.drift.steer(above_s - ABOVE_S, elapsed_s, learn=learn)
        elif self._is_splice_due(now_s, above_s):
            self._splice(now_s, above_s)

    def _is_splice_due(self, now_s: float, above_s: float) -> bool:
        """At most 20 a second. A little is believed after two seconds: it may be that no packet was fast of late."""
        if abs(above_s - ABOVE_S) < BELIEVED_S and now_s - self._right_s < WINDOW_S:
            return False
        return above_s > HURRY_S or now_s - self._spliced_s >= SPLICE_APART_S

    def _splice(self, now_s: float, above_s: float) -> None:
        wanted = int(abs(above_s - ABOVE_S) * RATE_HZ)
        most = wanted + int(ABOVE_S * RATE_HZ)  # to the other end of what is right, no further
        if self._outlet.splice(wanted, most=most, longer=above_s < ABOVE_S, eager=above_s > HURRY_S):
            self._spliced_s, self._right_s = now_s, -math.inf
