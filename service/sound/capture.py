"""Line-in: one thread that reads the device, meters, encodes, and hands each frame to the event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.core.audio import FRAME_MS, FRAME_SAMPLES, RATE_HZ, EncodedFrame, Level
from service.core.errors import ServiceError
from service.core.framer import Framer
from service.dsp.levels import level
from service.sound.pcm import DeviceLost, InputPcm

log = logging.getLogger(__name__)

QUEUE_FRAMES = 5
REOPEN_S = (0.5, 1.0, 2.0)
STOP_S = 0.5


class Encoder(Protocol):
    """20 ms of mono 48 kHz s16 in, one Opus packet out."""

    def encode(self, pcm: bytes) -> bytes:
        """The packet of exactly one frame."""


@dataclass(slots=True)
class CaptureStats:
    """Counted since the start."""

    captured: int = 0  # frames
    dropped: int = 0  # frames that nobody took in time while somebody listened
    xruns: int = 0
    reopens: int = 0


class Capture:
    """Promises `core.ports.LineIn`. `lost` holds the reason while the device is gone; silence flows meanwhile."""

    def __init__(
        self,
        *,
        open_pcm: Callable[[], InputPcm],
        encoder: Encoder,
        go: threading.Event,
        gain_db: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_pcm, self._encoder, self._go, self._clock = open_pcm, encoder, go, clock
        self._gain = 10 ** (gain_db / 20)
        self._framer = Framer()
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._queue: deque[EncodedFrame] = deque()
        self._ready = asyncio.Event()
        self._listening = False
        self.stats = CaptureStats()
        self.level = Level()
        self.lost: str | None = None
        self.last_period_s = clock()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def go(self) -> None:
        """The first LIVE: a recording starts; a card has been running all along."""
        self._go.set()

    async def stop(self) -> None:
        """Stop the thread; one that hangs in its device is left behind after half a second."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, STOP_S)

    async def read(self) -> EncodedFrame:
        """The oldest frame, at most 100 ms old. While nobody reads, frames go by."""
        if not self._listening:
            self._queue.clear()
            self._listening = True
        try:
            while not self._queue:
                self._ready.clear()
                await self._ready.wait()
        except asyncio.CancelledError:
            self._listening = False
            raise
        return self._queue.popleft()

    def _push(self, frame: EncodedFrame) -> None:
        """On the event loop."""
        if len(self._queue) == QUEUE_FRAMES:
            # Full while the link is being negotiated; the oldest frame is the least useful.
            self._queue.popleft()
            self.stats.dropped += self._listening
        self._queue.append(frame)
        self._ready.set()

    # -- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        tries = 0
        while not self._stop.is_set():
            try:
                pcm = self._open_pcm()
            except (DeviceLost, ServiceError) as problem:
                self._declare_lost(str(problem))
                self._silence_for(REOPEN_S[min(tries, len(REOPEN_S) - 1)])
                tries += 1
                continue
            if self.lost is not None:
                log.info("line-in is back")
                self.stats.reopens += 1
            self.lost, tries = None, 0
            try:
                self._read_all(pcm)
            except DeviceLost as problem:
                self._declare_lost(str(problem))
            finally:
                pcm.close()

    def _declare_lost(self, why: str) -> None:
        if self.lost is None:
            log.warning("line-in is lost: %s", why)
        self.lost, self.level = why, Level()

    def _read_all(self, pcm: InputPcm) -> None:
        self.last_period_s = self._clock()
        while not self._stop.is_set():
            block = pcm.read()
            before_s, self.last_period_s = self.last_period_s, self._clock()
            if block is None:
                self.stats.xruns += 1
                self._framer.skip(int((self.last_period_s - before_s) * RATE_HZ))
                continue
            self._take(self._amplified(block))

    def _amplified(self, block: bytes) -> bytes:
        samples = np.frombuffer(block, "<i2").astype(np.float32) * (self._gain / 32768)
        if len(samples):
            self.level = level(samples)
        if self._gain == 1.0:
            return block
        return bytes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())

    def _take(self, pcm: bytes) -> None:
        for count, frame in self._framer.push(pcm):
            self.stats.captured += 1
            timestamp = count * FRAME_SAMPLES & 0xFFFFFFFF
            encoded = EncodedFrame(count & 0xFFFF, timestamp, self._encoder.encode(frame))
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._push, encoded)

    def _silence_for(self, duration_s: float) -> None:
        """The vendor wants no gap: silence flows while there is no device."""
        for _ in range(round(duration_s * 1000 / FRAME_MS)):
            if self._stop.wait(FRAME_MS / 1000):
                return
            self._take(bytes(FRAME_SAMPLES * 2))
