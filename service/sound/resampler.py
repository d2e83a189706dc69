"""The variable ratio of libsoxr, by python-soxr (audio-path 4.7); its authors call it experimental, hence the pin."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from service.core.audio import RATE_HZ

Samples = NDArray[np.float32]

LARGEST_RATIO = 1.001
PRIME_SAMPLES = 4 * RATE_HZ // 100


class SoxrResampler:
    """One mono stream; promises `dsp.drift.Resampler`."""

    def __init__(self) -> None:
        self._stream = soxr.ResampleStream(RATE_HZ * LARGEST_RATIO, RATE_HZ, 1, dtype="float32", quality="HQ", vr=True)
        self._stream.set_io_ratio(1.0, 1.0, 0)
        self._rate = 0.0
        # What it keeps of its first input it keeps for ever: the length of its filter (240 samples in 1.1.0).
        self.held_samples = PRIME_SAMPLES - len(self._stream.resample_chunk(np.zeros(PRIME_SAMPLES, np.float32)))

    def resample(self, samples: Samples, rate: float) -> Samples:
        """As many samples as went in, one more or less."""
        if rate != self._rate and len(samples):
            self._stream.set_io_ratio(1.0 + rate, 1.0, len(samples))
            self._rate = rate
        heard: Samples = self._stream.resample_chunk(np.ascontiguousarray(samples, np.float32))
        return heard
