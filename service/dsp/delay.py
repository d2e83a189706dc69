"""How late do packets come, and how long should the playout wait for them (audio-path 4.3, 4.4)."""

from __future__ import annotations

import math
from collections import deque

BIN_S = 0.005
BINS = 100
WINDOW_S = 2.0
STEP_S = 0.5
QUANTILE = 0.95
SEED_WEIGHT, SEED_LATENESS_S = 20, 0.030
PULL_S = 0.010
MIN_TARGET_S, MAX_TARGET_S, FIRST_TARGET_S = 0.020, 0.500, 0.060
FRAME_MARGIN_S = 0.025  # one frame and a little: the FEC copy of a lost packet travels in the next one
LOSS_ON, LOSS_OFF = 0.004, 0.001
LOSS_PACKETS = 500


class DelayEstimator:
    """Feed it every packet with a sequence above the highest seen; retransmitted ones say nothing about the network.

    `base_s` is the offset of the fastest packet of the last two seconds: arrival minus timestamp.
    """

    def __init__(self, *, min_target_s: float = MIN_TARGET_S) -> None:
        self._min_target_s = min_target_s
        self._offsets: deque[tuple[float, float]] = deque()  # arrival, offset; offsets rise from left to right
        self._histogram = [0.0] * BINS
        # A belief to start with: otherwise one stall in the first half minute owns the quantile.
        self._histogram[int(SEED_LATENESS_S / BIN_S) - 1] = 1.0
        self._steps = SEED_WEIGHT
        self._heard_steps = 0
        self._step_began_s = -math.inf
        self._worst_s = 0.0
        self._jitter_s = FIRST_TARGET_S
        self._loss = 0.0
        self._lossy = False

    @property
    def base_s(self) -> float:
        """The clock offset of the fastest packet, the network's delay included."""
        return self._offsets[0][1] if self._offsets else 0.0

    @property
    def target_s(self) -> float:
        """How old a sample should be when it is played, over the fastest packet."""
        extra_s = FRAME_MARGIN_S if self._lossy else 0.0
        return min(MAX_TARGET_S, max(self._min_target_s, self._jitter_s + extra_s))

    def arrived(self, arrival_s: float, timestamp_s: float) -> None:
        """A packet came."""
        offset_s = arrival_s - timestamp_s
        while self._offsets and self._offsets[-1][1] >= offset_s:
            self._offsets.pop()
        self._offsets.append((arrival_s, offset_s))
        while self._offsets[0][0] < arrival_s - WINDOW_S:
            self._offsets.popleft()
        if arrival_s - self._step_began_s >= STEP_S:
            # Before this packet is counted, so that what comes at once after a stall falls into one step.
            self._end_step()
            self._step_began_s, self._worst_s = arrival_s, 0.0
        self._worst_s = max(self._worst_s, offset_s - self.base_s)

    def gap(self, lost_packets: int) -> None:
        """A packet came, after this many that are missing."""
        for lost in (1.0,) * min(lost_packets, LOSS_PACKETS) + (0.0,):
            self._loss += (lost - self._loss) / LOSS_PACKETS
        self._lossy = self._loss > (LOSS_OFF if self._lossy else LOSS_ON)

    def _end_step(self) -> None:
        if self._step_began_s == -math.inf:
            return
        self._steps += 1
        self._heard_steps += 1
        forget = min(0.983, 1 - 2 / (self._steps + 2))
        self._histogram = [share * forget for share in self._histogram]
        self._histogram[min(BINS - 1, int(self._worst_s / BIN_S))] += 1 - forget
        if self._heard_steps >= 4:
            self._jitter_s = (self._quantile() + 1) * BIN_S + PULL_S

    def _quantile(self) -> int:
        wanted, total = QUANTILE * sum(self._histogram), 0.0
        for index, share in enumerate(self._histogram):
            total += share
            if total >= wanted:
                return index
        return BINS - 1
