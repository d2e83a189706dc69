"""What the interpreter hears of the publisher: packets in as they come, a gapless stream of samples out."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.core.audio import FRAME_S, FRAME_SAMPLES, EncodedFrame
from service.dsp.playout import Playout
from service.sound.opus import OpusDecoder


class Ear:
    """An EncodedSink that is pulled by the clock, so that silence is heard too; its delay is that of a playout."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._playout, self._clock = Playout(decoder=OpusDecoder(), pull_s=FRAME_S), clock
        self.packets = 0

    def push(self, frame: EncodedFrame) -> None:
        """One packet from the room."""
        self.packets += 1
        self._playout.put(self._clock(), frame)

    def pull(self) -> bytes:
        """The next 20 ms, mono 48 kHz s16."""
        samples = self._playout.pull(self._clock(), FRAME_SAMPLES)
        return (samples * 32767).clip(-32768, 32767).astype("<i2").tobytes()
