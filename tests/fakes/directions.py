"""Line-in and line-out as the box has them, on the simulated cards `linein` and `lineout`; without a codec.

    python -m tests.fakes.directions     prints each frame of line-in: its time, its first sample, why it is silent

for a test that stops and kills the process. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time

import numpy as np

from service.core.devices import parse_device
from service.dsp.limiter import Limiter
from service.dsp.mixer import Strip
from service.sound.alsa import AlsaInput, AlsaOutput
from service.sound.capture import Capture
from service.sound.cushion import Cushion
from service.sound.playback import Playback
from tests.fakes.sound import FakeEncoder

LINE_IN, LINE_OUT = parse_device("alsa:card=linein"), parse_device("alsa:card=lineout")


class Tone:
    """A source that is never silent: a quarter of full scale on every channel."""

    echoes = False

    def begin(self, channels: int) -> None:
        self.strip = Strip(channels=channels)
        self.strip.to([0.25] * channels, samples=1)

    def pieces(self, now_s: float):
        return [(self.strip, np.ones(480, np.float32))]


def line_in(**options) -> Capture:
    capture = Capture(
        open_pcm=lambda: AlsaInput(LINE_IN, channel="left"), new_encoder=FakeEncoder, go=threading.Event(), **options
    )
    capture.go()
    return capture


def line_out(cushion: Cushion | None = None, **options) -> Playback:
    cushion = cushion or Cushion()
    return Playback(
        open_pcm=lambda: AlsaOutput(LINE_OUT, periods=cushion.periods),
        new_limiter=Limiter,
        ramp_samples=480,
        cushion=cushion,
        **{"sources": [Tone()]} | options,
    )


async def main() -> None:
    capture, playback = line_in(), line_out()
    for direction in (capture, playback):
        direction.start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    try:
        await asyncio.gather(_tell(capture), _supervise(capture, playback))
    except asyncio.CancelledError:
        began_s = time.monotonic()
        await asyncio.gather(capture.stop(), playback.stop())
        print("stopped", time.monotonic() - began_s, flush=True)


async def _tell(capture: Capture) -> None:
    while True:
        frame = await capture.read()
        print(frame.timestamp, frame.payload.decode(), capture.lost or "", flush=True)


async def _supervise(*directions) -> None:
    while True:
        for direction in directions:
            direction.supervise()
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())
