"""How late do packets come, and how long should the playout wait for them (audio-path 4.3)."""

from __future__ import annotations

import math
from collections import deque

BIN_S = 0.005
BINS = 100
WINDOW_S = 2.0
STEP_S = 0.5
QUANTILE = 0.95
SEED_STEPS, SEED_BIN = 20, 6  # 30 ms
PULL_S = 0.010
MIN_TARGET_S, MAX_TARGET_S, FIRST_S = 0.020, 0.500, 0.050
FIRST_STEPS = 4


class DelayEstimator:
    """Feed it every packet with a sequence above the highest seen; retransmitted ones say nothing about the network."""

    def __init__(self) -> None:
        self.base_s = 0.0  # of the fastest packet of the last two seconds: arrival minus timestamp
        self.jitter_s = FIRST_S  # by which hardly any packet comes later than that
        self._offsets: deque[tuple[float, float]] = deque()  # arrival, offset; offsets rise from left to right
        self._histogram = [0.0] * BINS
        # A belief to start with: otherwise one stall in the first half minute owns the quantile.
        self._histogram[SEED_BIN] = 1.0
        self._steps = SEED_STEPS
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
        forget = min(0.983, 1 - 2 / (self._steps + 2))
        self._histogram = [share * forget for share in self._histogram]
        self._histogram[min(BINS - 1, int(self._worst_s / BIN_S))] += 1 - forget
        if self._steps >= SEED_STEPS + FIRST_STEPS:
            self.jitter_s = (self._quantile() + 1) * BIN_S

    def _quantile(self) -> int:
        wanted, total = QUANTILE * sum(self._histogram), 0.0
        for index, share in enumerate(self._histogram):
            total += share
            if total >= wanted:
                return index
        return BINS - 1
