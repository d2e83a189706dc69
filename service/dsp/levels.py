"""How loud."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.core.audio import Level

FLOOR = 1e-6  # -120 dBFS


def level(samples: NDArray[np.float32]) -> Level:
    """Peak and RMS of a block of float samples, full scale 1.0; an empty block is silent."""
    if not len(samples):
        return Level()
    peak = float(np.abs(samples).max())
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return Level(peak_dbfs=_dbfs(peak), rms_dbfs=_dbfs(rms))


def _dbfs(value: float) -> float:
    return round(20.0 * float(np.log10(max(value, FLOOR))), 1)
