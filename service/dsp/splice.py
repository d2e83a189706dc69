"""One pitch period more or less, where nobody hears it (WSOLA, audio-path 4.6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SHORTEST, LONGEST = 120, 720  # 2.5 to 15 ms
SPARSE = 4  # the pitch is looked for at 12 kHz
SILENT, FAINT = 1e-6, 1e-5  # power: -60 and -50 dBFS
ALIKE, EAGER, NEARLY = 0.85, 0.5, 0.02


def pitch_period(samples: Samples, *, wanted: int, most: int, eager: bool = False) -> int | None:
    """How many samples may be left out or said twice at the beginning, at most `most`; None where it would be heard.

    In silence there is nothing to match: what is wanted. `eager` takes what is less alike, and rather more at once.
    """
    half = min(len(samples) // 2, LONGEST, most) // SPARSE * SPARSE
    if half < SHORTEST:
        return None
    sparse = samples[: 2 * half : SPARSE]
    count, first = half // SPARSE, SHORTEST // SPARSE
    energy = np.concatenate([[0.0], np.cumsum(np.square(sparse, dtype=np.float64))])
    power = energy[-1] / (2 * count)
    if power < SILENT:
        return min(half, max(wanted, 1))
    alike = np.correlate(sparse, sparse[:count])[first:]
    norm = np.sqrt(energy[count] * (energy[count + first :] - energy[first : count + 1])) + 1e-12
    score = alike / norm
    best = float(score.max())
    if best < (EAGER if eager or power < FAINT else ALIKE):
        return None
    places = np.flatnonzero(score >= (best - NEARLY if eager else best))
    return (first + int(places[-1])) * SPARSE


def without(samples: Samples, lag: int) -> Samples:
    """The same, one period shorter."""
    return np.concatenate([_across(samples[:lag], samples[lag : 2 * lag]), samples[2 * lag :]])


def twice(samples: Samples, lag: int) -> Samples:
    """The same, one period longer."""
    return np.concatenate([samples[:lag], _across(samples[lag : 2 * lag], samples[:lag]), samples[lag:]])


def _across(old: Samples, new: Samples) -> Samples:
    ramp = np.linspace(0.0, 1.0, len(old), dtype=np.float32)
    return old + (new - old) * ramp
