"""Tones: who sings which, and which is heard."""

from __future__ import annotations

import numpy as np

RATE_HZ = 48_000
WINDOW = RATE_HZ // 2  # samples in which a pitch is looked for
QUIET = 0.01


class Tone:
    """A sine without seams, whatever the pieces it is taken in; its pitch can be changed."""

    def __init__(self) -> None:
        self.hz = 0.0
        self._phase = 0.0

    def take(self, samples: int) -> bytes:
        """The next samples, 16 bit."""
        phases = self._phase + 2 * np.pi * self.hz / RATE_HZ * np.arange(1, samples + 1)
        self._phase = float(phases[-1] % (2 * np.pi))
        return (8000 * np.sin(phases)).astype("<i2").tobytes()


class Ear:
    """What came last on one track."""

    def __init__(self) -> None:
        self._samples = np.zeros(WINDOW)

    def hear(self, samples: np.ndarray) -> None:
        """Samples from -1 to 1."""
        self._samples = np.concatenate((self._samples, samples))[-WINDOW:]

    def pitch_hz(self) -> float:
        """0 in silence."""
        if np.sqrt(np.mean(self._samples**2)) < QUIET:
            return 0.0
        spectrum = np.abs(np.fft.rfft(self._samples * np.hanning(WINDOW)))
        return float(spectrum.argmax() * RATE_HZ / WINDOW)
