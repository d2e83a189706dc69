"""How much longer should the playout wait because packets are being lost (audio-path 4.4)?

A lost packet is there again one frame later, as the copy in the next one; or when it was asked for again and came:
after the rest of the lost run, a round trip, and one more for each answer that is lost too. None of this is guessed:
when each packet was there, whichever way it came, is kept, and the wait is the shortest that would have spared the
listener enough.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from service.core.audio import FRAME_S

COPY_S = FRAME_S + 0.005  # the copy of a lost packet travels in the next one
MOST_S = 0.160
ON, OFF = 0.004, 0.001
AVERAGE_PACKETS = 500
OUTAGE_PACKETS = 25  # no wait mends so much at once
HEARD_PACKETS = 1500  # half a minute is looked back upon
OPEN_PACKETS = 25  # the newest may still come
FEWEST_PACKETS = 100
KEPT_REVIEWS = 10  # a wait that was needed is kept for 5 s
HOLES = 0.012  # made up, of all: with the noise of half a minute the most that keeps T3 at its delay
MOST_HOLES = 0.018  # however much is lost by chance
WORTH = 0.003  # what a longer wait has to bring
WAITS_S = np.array([COPY_S - 0.010, *np.arange(COPY_S, MOST_S, 0.010), MOST_S])


class LossEstimator:
    """Feed it every packet, also those that were sent again."""

    def __init__(self) -> None:
        self.loss = 0.0  # running average of what did not come at first, of all packets sent
        self.extra_s = 0.0  # to be waited beyond what jitter asks for
        self._lossy = False
        self._first = self._highest = 0
        # By sequence: when each was there, infinite where it never was; whether the one before may be missing.
        self._late_s = np.zeros(HEARD_PACKETS)
        self._spares = np.ones(HEARD_PACKETS, bool)
        self._wanted: deque[float] = deque(maxlen=KEPT_REVIEWS)

    def begin(self, sequence: int) -> None:
        """The first packet of the stream has this sequence number."""
        self._first, self._highest = sequence, sequence - 1

    def received(self, sequence: int, late_s: float, *, spares: bool) -> None:
        """A packet came, so much later than the fastest would have. `spares`: it makes up for the one before."""
        place, ahead = sequence % HEARD_PACKETS, sequence - self._highest
        if ahead > 0:
            if ahead > 1:
                self._lost(ahead - 1)
            self._highest = sequence
            self.loss -= self.loss / AVERAGE_PACKETS
        elif ahead <= -HEARD_PACKETS or self._late_s[place] != math.inf:
            return
        self._late_s[place], self._spares[place] = late_s, spares

    def review(self, jitter_s: float) -> None:
        """Every half second: what is to be waited beyond this?"""
        self._lossy = self.loss > (OFF if self._lossy else ON)
        self._wanted.append(self._enough_s(jitter_s) if self._lossy else 0.0)
        self.extra_s = max(self._wanted) if self._lossy else 0.0

    def _lost(self, gap: int) -> None:
        places = np.arange(self._highest + 1, self._highest + 1 + min(gap, HEARD_PACKETS)) % HEARD_PACKETS
        self._late_s[places], self._spares[places] = math.inf, False
        if gap <= OUTAGE_PACKETS:
            self.loss = 1 - (1 - self.loss) * (1 - 1 / AVERAGE_PACKETS) ** gap

    def _enough_s(self, jitter_s: float) -> float:
        end = self._highest - OPEN_PACKETS
        count = min(end - self._first, HEARD_PACKETS - OPEN_PACKETS)
        if count < FEWEST_PACKETS:
            return COPY_S
        places = np.arange(end - count, end) % HEARD_PACKETS
        late_s, waits_s = self._late_s[places], jitter_s + WAITS_S[:, np.newaxis]
        missing = late_s[:-1] > waits_s
        copied = (late_s[1:] <= waits_s - FRAME_S) & self._spares[places[1:]]
        holes, gaps = (missing & ~copied).mean(axis=1), missing.mean(axis=1)
        # Chance leaves the square of what it takes, where the copies are used; what leaves more takes runs.
        enough = holes <= max(HOLES, min(2 * gaps[0] ** 2, MOST_HOLES), holes[-1] + WORTH)
        return float(WAITS_S[np.argmax(enough)])
