"""How late do packets come, and how long should the playout wait for them (audio-path 4.3)."""

from __future__ import annotations

import math
from collections import deque

BIN_S = 0.005
BINS = 100
WINDOW_S = 2.0
STEP_S = 0.5
QUANTILE = 0.95
FORGET = 0.983  # by each half second: half a minute is remembered
BELIEF_STEPS, BELIEF_BIN = 22, 1  # 5 to 10 ms
FIRST_S = 0.050
FIRST_STEPS = 4


class DelayEstimator:
    """Feed it every packet with a sequence above the highest seen; retransmitted ones say nothing about the network."""

    def __init__(self) -> None:
        self.base_s = 0.0  # of the fastest packet of the last two seconds: arrival minus timestamp
        self.jitter_s = FIRST_S  # by which hardly any packet comes later than that
        self._offsets: deque[tuple[float, float]] = deque()  # arrival, offset; offsets rise from left to right
        self._histogram = [0.0] * BINS
        self._steps = 0
        self._step_began_s = -math.inf
        self._worst_s = 0.0

    def arrived(self, arrival_s: float, timestamp_s: float) -> bool:
        """A packet came; whether half a second has ended with it."""
        offset_s = arrival_s - timestamp_s
        while self._offsets and self._offsets[-1][1] >= offset_s:
            self._offsets.pop()
        self._offsets.append((arrival_s, offset_s))
        while self._offsets[0][0] < arrival_s - WINDOW_S:
            self._offsets.popleft()
        self.base_s = self._offsets[0][1]
        ended = arrival_s - self._step_began_s >= STEP_S
        if ended:
            # Before this packet is counted, so that what comes at once after a stall falls into one step.
            self._end_step()
            self._step_began_s, self._worst_s = arrival_s, 0.0
        self._worst_s = max(self._worst_s, offset_s - self.base_s)
        return ended

    def _end_step(self) -> None:
        if self._step_began_s == -math.inf:
            return
        self._steps += 1
        self._histogram = [steps * FORGET for steps in self._histogram]
        self._histogram[min(BINS - 1, int(self._worst_s / BIN_S))] += 1
        if self._steps >= FIRST_STEPS:
            self.jitter_s = (self._quantile() + 1) * BIN_S

    def _quantile(self) -> int:
        # A belief stands in for what is not heard yet: one stall in the first seconds would own the quantile.
        histogram = [*self._histogram]
        histogram[BELIEF_BIN] += max(0.0, BELIEF_STEPS - sum(histogram))
        wanted, total = QUANTILE * sum(histogram), 0.0
        for index, steps in enumerate(histogram):
            total += steps
            if total >= wanted:
                return index
        return BINS - 1
