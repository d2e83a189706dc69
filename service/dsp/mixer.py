"""Mono sources laid on the channels of one card. Pure: what is heard where, and how loud, are arguments.

Every source has a strip of its own: a translation, and whatever else is to be heard beside it or instead of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.core.routes import OutputChannel
from service.dsp.fader import Fader
from service.dsp.limiter import Limiter

Samples = NDArray[np.float32]

_PLACES = {"both": (0, 1), "left": (0,), "right": (1,)}


def gains(channel: OutputChannel, gain_db: float, *, channels: int) -> Samples:
    """The gain for each channel of a card; one with a single channel takes everything."""
    found = np.zeros(channels, np.float32)
    places = _PLACES[channel] if channels > 1 else (0,)
    found[list(places)] = 10 ** (gain_db / 20)
    return found


class Strip:
    """One source's way into the mix: a gain for each channel, none of which ever jumps. Silent to begin with."""

    def __init__(self, *, channels: int) -> None:
        self._faders = [Fader(0.0) for _ in range(channels)]

    def to(self, gains: Iterable[float], *, samples: int) -> None:
        """Go to these gains within `samples`, from the next block on."""
        for fader, gain in zip(self._faders, gains, strict=True):
            fader.to(float(gain), samples=samples)

    @property
    def silent(self) -> bool:
        """Whether nothing is heard of the source, nor will be."""
        return all(fader.rests_at(0.0) for fader in self._faders)

    def lay(self, source: Samples, block: Samples) -> None:
        """Add the source to a block of channels by samples."""
        for row, fader in zip(block, self._faders, strict=True):
            if not fader.rests_at(0.0):
                row += source * fader.gains(len(source))


class Mixer:
    """One card's: the strips added up, the `main` fader over all of them, a limiter on each channel."""

    def __init__(self, *, limiters: Sequence[Limiter]) -> None:
        self.main = Fader(0.0)
        self.peak = 0.0  # of the last block, before the main fader
        self.limiters = limiters

    def begin(self, gain: float, *, samples: int) -> None:
        """Out of silence, to this gain of the main fader."""
        self.main = Fader(0.0)
        self.main.to(gain, samples=samples)

    def mix(self, pieces: Iterable[tuple[Strip, Samples]], *, samples: int) -> Samples:
        """So many samples of each channel, in rows, of one piece for each strip."""
        block = np.zeros((len(self.limiters), samples), np.float32)
        for strip, source in pieces:
            strip.lay(source, block)
        self.peak = float(np.abs(block).max())
        block *= self.main.gains(samples)
        return np.stack([limiter.process(row) for limiter, row in zip(self.limiters, block, strict=True)])


def interleaved(block: Samples) -> bytes:
    """The channels as a card takes them, s16."""
    return (np.clip(block, -1.0, 1.0).T * 32767).astype("<i2").tobytes()
