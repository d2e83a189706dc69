"""A tone whose pitch tells the time, and what was heard of it."""

from __future__ import annotations

import bisect
import statistics
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RATE_HZ, FRAME_SAMPLES, FRAME_S = 48_000, 960, 0.02
STEP_S, STEPS = 0.05, 100  # the pitch says when a frame was made, up to 5 s back, to 50 ms
LOWEST_HZ, APART_HZ = 400.0, 40.0
AUDIBLE_RMS = 0.02


def spoken(made_s: float) -> bytes:
    """20 ms of it as mono s16."""
    pitch_hz = LOWEST_HZ + APART_HZ * (int(made_s / STEP_S) % STEPS)
    wave = np.sin(2 * np.pi * pitch_hz * (made_s % 1.0 + np.arange(FRAME_SAMPLES) / RATE_HZ))
    return (wave * 8000).astype("<i2").tobytes()


def age_s(samples: NDArray[np.float32], now_s: float) -> float | None:
    """How long ago 20 ms were made; None for silence."""
    if float(np.sqrt(np.mean(samples**2))) < AUDIBLE_RMS:
        return None
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8192))
    step = round((float(np.argmax(spectrum)) * RATE_HZ / 8192 - LOWEST_HZ) / APART_HZ)
    return (now_s - step * STEP_S) % (STEP_S * STEPS)


@dataclass
class Trace:
    """What one listener heard: times of audible blocks, and their ages."""

    times_s: list[float] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)

    def hear(self, samples: NDArray[np.float32], now_s: float) -> None:
        """Note one block of 20 ms."""
        age = age_s(samples, now_s)
        if age is not None:
            self.times_s.append(now_s)
            self.ages_s.append(age)

    def gap_s(self, begin_s: float, end_s: float) -> float:
        """The longest time without sound."""
        inside = [time_s for time_s in self.times_s if begin_s <= time_s <= end_s]
        marks = [begin_s, *inside, end_s]
        return max(later - sooner for sooner, later in zip(marks, marks[1:], strict=False))

    def first_after_s(self, begin_s: float) -> float | None:
        """How long until something was heard."""
        place = bisect.bisect_right(self.times_s, begin_s)
        return self.times_s[place] - begin_s if place < len(self.times_s) else None

    def age_between_s(self, begin_s: float, end_s: float) -> float | None:
        """The median age of what was heard then."""
        ages = [age for time_s, age in zip(self.times_s, self.ages_s, strict=True) if begin_s <= time_s <= end_s]
        return statistics.median(ages) if ages else None
