"""Hearing protection on one channel of line-out (audio-path 7, appliance 1b and B8).

Without a calibration only the ceiling holds. With `spl_at_full_scale`, what a sine of full scale measures in dB SPL at
the listener's ear, there are three tiers: the ceiling, a limit to what lasts, and a warning of what lasts for minutes.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.core.audio import RATE_HZ

Samples = NDArray[np.float32]

NOTICE = "line-out is too loud to be listened to for long: its average over a minute is above 80 dB SPL"

CEILING_SPL, LASTING_SPL, AVERAGE_SPL = 100.0, 94.0, 80.0  # Televic's three tiers
LASTING_S = 0.100
CALM_S = 1.0  # below the limit for so long, and the next loud sound is a short one again
MINUTE_S = 60
CALMER_DB = 3.0  # so far below its limit the minute's average ends the warning
RELEASE_SAMPLES = RATE_HZ // 10
NEAR = 0.999  # a gain that has come back, but for what nobody hears


@dataclass(slots=True)
class LimiterStats:
    """Counted since the start: seconds for which each tier was at work."""

    ceiling_s: float = 0.0
    lasting_s: float = 0.0
    average_s: float = 0.0


class Limiter:
    """`process` one block after another, of any length; what it returns never exceeds the ceiling."""

    def __init__(self, *, max_dbfs: float = -3.0, spl_at_full_scale: float | None = None) -> None:
        self.stats = LimiterStats()
        self._lasting: _Lasting | None = None
        self._minute: _Minute | None = None
        if spl_at_full_scale is not None:
            max_dbfs = min(max_dbfs, CEILING_SPL - spl_at_full_scale)
            self._lasting = _Lasting(_sine_power(LASTING_SPL - spl_at_full_scale))
            self._minute = _Minute(_sine_power(AVERAGE_SPL - spl_at_full_scale))
        self._ceiling = np.float32(10 ** (max_dbfs / 20))
        self._gain = 1.0

    @property
    def gain_db(self) -> float:
        """What the tiers took away at the end of the last block; 0 or less."""
        return 20 * math.log10(max(self._gain * (self._lasting.gain if self._lasting else 1.0), 1e-6))

    @property
    def warning(self) -> bool:
        """Whether the average of the last minute is too loud to be listened to for long."""
        return self._minute is not None and self._minute.warning

    def process(self, block: Samples) -> Samples:
        """The block as it may be heard; what is no number becomes silence."""
        if not len(block):
            return block
        duration_s = len(block) / RATE_HZ
        block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        if self._lasting is not None:
            block = block * self._lasting.gains(block)
            self.stats.lasting_s += duration_s * (self._lasting.gain < 1.0)
        block = self._under_ceiling(block)
        self.stats.ceiling_s += duration_s * (self._gain < 1.0)
        if self._minute is not None:
            self._minute.hear(block)
            self.stats.average_s += duration_s * self._minute.warning
        return block

    def _under_ceiling(self, block: Samples) -> Samples:
        """A straight way to the gain of the peak, just steep enough for every sample before it; then that is held."""
        sizes = np.abs(block)
        if self._gain == 1.0 and sizes.max() <= self._ceiling:
            return block
        most = self._ceiling / np.maximum(sizes, self._ceiling)  # the gain that each sample allows
        steps = np.arange(1, len(block) + 1, dtype=np.float32)
        slope = min((1.0 - self._gain) / RELEASE_SAMPLES, float(((most - self._gain) / steps).min()))
        way = self._gain + slope * steps
        gains = np.maximum(way, most.min()) if slope < 0 else np.minimum(way, 1.0)
        self._gain = float(gains[-1]) if gains[-1] < NEAR else 1.0
        limited: Samples = np.clip(block * gains, -self._ceiling, self._ceiling)  # the last guard, against rounding
        return limited


@dataclass(slots=True)
class _Lasting:
    """Short sounds may be louder; what lasts is brought to the limit within the block that makes it too long."""

    limit: float  # mean square
    gain: float = 1.0
    _loud_s: float = 0.0
    _calm_s: float = 0.0

    def gains(self, block: Samples) -> Samples:
        """The gain of each sample of this block."""
        before, duration_s = self.gain, len(block) / RATE_HZ
        power = _power(block)
        if power > self.limit:
            self._loud_s, self._calm_s = self._loud_s + duration_s, 0.0
        else:
            self._calm_s += duration_s
            if self._calm_s > CALM_S or self._loud_s <= LASTING_S:
                self._loud_s = 0.0
        back = before + (1.0 - before) * -math.expm1(-len(block) / RELEASE_SAMPLES)
        lasts = power > self.limit and self._loud_s > LASTING_S
        self.gain = min(back if back < NEAR else 1.0, math.sqrt(self.limit / power) if lasts else 1.0)
        return np.linspace(before, self.gain, len(block) + 1, dtype=np.float32)[1:]


@dataclass(slots=True)
class _Minute:
    """The average over a minute, second by second."""

    limit: float  # mean square
    warning: bool = False
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=MINUTE_S))
    _sum: float = 0.0
    _samples: int = 0

    def hear(self, block: Samples) -> None:
        """Count what was let through."""
        self._sum += _power(block) * len(block)
        self._samples += len(block)
        if self._samples >= RATE_HZ:
            self._seconds.append(self._sum / self._samples)
            self._sum, self._samples = 0.0, 0
            calmer = 10 ** (-CALMER_DB / 10) if self.warning else 1.0
            self.warning = sum(self._seconds) / MINUTE_S > self.limit * calmer


def _power(block: Samples) -> float:
    return float(np.dot(block, block)) / len(block)


def _sine_power(dbfs: float) -> float:
    """The mean square of a sine of this peak level."""
    return float(10 ** (dbfs / 10)) / 2
