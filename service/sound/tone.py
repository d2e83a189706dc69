"""A test tone on one card."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.routes import OutputChannel
from service.dsp.mixer import Strip, gains
from service.dsp.tone import Sine
from service.sound.pcm import PERIOD_SAMPLES

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tone:
    """What is to be heard; the level is that of its peaks."""

    hz: float
    level_dbfs: float
    seconds: float
    channel: OutputChannel = "both"


class Toner:
    """A `service.sound.playback.Source`: one tone at a time, each out and in by ramps."""

    def __init__(self) -> None:
        self._channels = 2
        self._strip = Strip(channels=self._channels)
        self._sine: Sine | None = None
        self._asked: deque[Tone | None] = deque(maxlen=1)  # from the event loop; the last wish counts

    def play(self, tone: Tone | None) -> None:
        """Let it be heard in the place of the one that sounds; None is silence."""
        self._asked.append(tone)

    @property
    def echoes(self) -> bool:
        """Whether what it gives now is line-in's own sound."""
        return False

    # -- on the playback thread ---------------------------------------------------------------------------------

    def begin(self, channels: int) -> None:
        """A device with so many channels is there: everything starts from silence."""
        self._channels, self._sine = channels, None
        self._asked.clear()  # while there was no device

    def pieces(self, now_s: float) -> list[tuple[Strip, Samples]]:
        """The next period of the tone that sounds, if one does."""
        if self._asked and self._sine is not None:
            self._sine.end()
        if self._sine is None or self._sine.ended:
            self._sine = self._next()
        return [] if self._sine is None else [(self._strip, self._sine.pull(PERIOD_SAMPLES))]

    def _next(self) -> Sine | None:
        tone = self._asked.popleft() if self._asked else None
        if tone is None:
            return None
        self._strip = Strip(channels=self._channels)
        self._strip.to(gains(tone.channel, 0.0, channels=self._channels), samples=1)  # the ramp is the tone's own
        return Sine(hz=tone.hz, level_dbfs=tone.level_dbfs, seconds=tone.seconds)
