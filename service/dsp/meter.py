"""How loud: what a meter shows of one direction of sound (audio-path 7)."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ, Level

RMS_SAMPLES = RATE_HZ * 3 // 10
HOLD_S, FALL_DB_PER_S = 1.5, 20.0
CLIP_LIT_S = 2.0
FLOOR = 1e-6  # -120 dBFS
FULL_SCALE, FULL_RUN = 32_760, 3


class Meter:
    """Give it every block as it comes; `level` is what to show."""

    def __init__(self, *, silence_dbfs: float = -60.0, silent_after_s: float = 10.0) -> None:
        self._silence_dbfs, self._silent_after_s = silence_dbfs, silent_after_s
        self.reset()

    def reset(self) -> None:
        """There is no sound to show: the device is gone."""
        self.level = Level()
        self._blocks: deque[tuple[float, int]] = deque()  # energy and length
        self._held_dbfs, self._held_s = _dbfs(0.0), -math.inf
        self._clipped_s = -math.inf
        self._loud_s: float | None = None  # when it was not silent last

    def hear(self, now_s: float, block: NDArray[np.float32], *, clipped: bool = False) -> None:
        """The next block, full scale 1.0; `clipped` says that it lost something on its way here."""
        if not len(block):
            return
        peak_dbfs = _dbfs(float(np.abs(block).max()))
        energy = float(np.dot(block, block))
        rms_dbfs = self._rms_dbfs(energy, len(block))
        if peak_dbfs >= self._fallen_dbfs(now_s):
            self._held_dbfs, self._held_s = peak_dbfs, now_s
        if clipped:
            self._clipped_s = now_s
        if self._loud_s is None or rms_dbfs >= self._silence_dbfs:
            self._loud_s = now_s
        self.level = Level(
            peak_dbfs=round(peak_dbfs, 1),
            rms_dbfs=round(rms_dbfs, 1),
            peak_hold_dbfs=round(self._fallen_dbfs(now_s), 1),
            clip=now_s - self._clipped_s < CLIP_LIT_S,
            silent=now_s - self._loud_s >= self._silent_after_s,
        )

    def _rms_dbfs(self, energy: float, length: int) -> float:
        self._blocks.append((energy, length))
        samples = sum(length for _, length in self._blocks)
        while samples - self._blocks[0][1] >= RMS_SAMPLES:
            samples -= self._blocks.popleft()[1]
        return _dbfs(math.sqrt(sum(energy for energy, _ in self._blocks) / samples))

    def _fallen_dbfs(self, now_s: float) -> float:
        return max(_dbfs(0.0), self._held_dbfs - FALL_DB_PER_S * max(0.0, now_s - self._held_s - HOLD_S))


class FullScale:
    """Sees three samples in a row at full scale, in blocks of any length: what came was louder than could come."""

    def __init__(self) -> None:
        self._run = 0

    def hear(self, block: NDArray[np.int16]) -> bool:
        """Whether there are such samples in this block, one or more of them."""
        full = (block >= FULL_SCALE) | (block <= -FULL_SCALE)
        if not full.any():
            self._run = 0 if len(full) else self._run
            return False
        full = np.concatenate([np.ones(self._run, bool), full])
        at_its_end = len(full) if full.all() else int(np.argmin(full[::-1]))
        self._run = min(at_its_end, FULL_RUN - 1)
        return bool(np.any(full[2:] & full[1:-1] & full[:-2]))


class ChannelMeters:
    """A meter for each channel of a card, before any gain."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The card is gone; the next one may have other channels."""
        self._meters: list[tuple[Meter, FullScale]] = []

    @property
    def levels(self) -> tuple[Level, ...]:
        """One for each channel; none until something was heard."""
        return tuple(meter.level for meter, _ in self._meters)

    def hear(self, now_s: float, raw: NDArray[np.int16]) -> None:
        """The next samples, a row each, a column for each channel."""
        if len(self._meters) != raw.shape[1]:
            self._meters = [(Meter(), FullScale()) for _ in range(raw.shape[1])]
        for (meter, full_scale), column in zip(self._meters, raw.T, strict=True):
            meter.hear(now_s, column.astype(np.float32) / 32768, clipped=full_scale.hear(column))


def _dbfs(value: float) -> float:
    return 20.0 * math.log10(max(value, FLOOR))
