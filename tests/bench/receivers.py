"""Three receivers of one track, each a process of its own:

    python -m tests.bench.receivers ours|aiortc|rust URL TOKEN FILE

says "ready" when it hears something, reads two times of the monotonic clock, says at the second what it counted since
the first, as JSON, and leaves in FILE what its listener was given meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from aiortc import RTCRtpReceiver
from livekit import rtc

from service.app import SWITCH_INTERVAL_S
from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame
from service.dsp.playout import Playout
from service.room import aiortc_repairs, link
from service.sound.opus import OpusDecoder
from service.sound.resampler import SoxrResampler
from tests.bench.speech import Ear

PERIOD_SAMPLES, PERIOD_S = RATE_HZ // 100, 0.01
MIN_TARGET_S = 0.020
Figures = dict[str, float]


class Recorder:
    """What a listener was given between two times."""

    def __init__(self) -> None:
        self.ear = Ear(PERIOD_S)
        self.begin_s = self.end_s = float("inf")
        self.anything = threading.Event()

    def hear(self, now_s: float, block: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        """Take one period."""
        if np.any(block):
            self.anything.set()
        if self.begin_s <= now_s < self.end_s:
            self.ear.hear(now_s, block)

    def save(self, path: Path) -> None:
        """For the one who compares."""
        np.savez(path, times_s=self.ear.times_s, blocks=np.stack(self.ear.blocks))


class Card:
    """A thread that asks for a period each 10 ms, as a card does."""

    def __init__(self, period: Callable[[float], np.ndarray[Any, np.dtype[np.float32]]], recorder: Recorder) -> None:
        self._period, self._recorder = period, recorder
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def stop(self) -> None:
        """No further period."""
        self._stopped.set()
        self._thread.join()

    def _play(self) -> None:
        next_s = time.monotonic()
        while not self._stopped.wait(max(0.0, next_s - time.monotonic())):
            now_s = time.monotonic()
            self._recorder.hear(now_s, self._period(now_s))
            next_s += PERIOD_S


class Ours:
    """Our link and our playout."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._lock = recorder, threading.Lock()
        self._playout = Playout(decoder=OpusDecoder(), resampler=SoxrResampler(), min_target_s=MIN_TARGET_S)
        self._delay_s, self._periods = 0.0, 0

    def push(self, frame: EncodedFrame) -> None:
        """Take one packet."""
        with self._lock:
            self._playout.put(time.monotonic(), frame)

    def _period(self, now_s: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        with self._lock:
            delay_s = self._playout.delay_s(now_s)
            if delay_s is not None:
                self._delay_s, self._periods = self._delay_s + delay_s, self._periods + 1
            return self._playout.pull(now_s, PERIOD_SAMPLES)

    @asynccontextmanager
    async def receiving(self, url: str, token: str) -> AsyncIterator[None]:
        """In the room, and heard."""
        card = Card(self._period, self._recorder)
        try:
            async with link.join(url, token, sink_for=lambda track: self) as room:
                await room.wait_connected()
                yield
        finally:
            card.stop()

    async def counts(self) -> Figures:
        """Since the start, in samples."""
        stats = self._playout.stats
        made_up = stats.concealed * FRAME_SAMPLES + stats.silence_samples
        return {
            "concealed": made_up,
            "total": made_up + (stats.played + stats.fec) * FRAME_SAMPLES,
            "fec": stats.fec * FRAME_SAMPLES,
            "buffer_s": self._delay_s,
            "buffer_n": self._periods,
        }


class Stock:
    """Our link with what aiortc has itself: its jitter buffer, its decoder, its frames played as they come."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._lock = recorder, threading.Lock()
        self._waiting = np.zeros(0, np.float32)
        self._asked = self._missing = 0
        self._tasks: list[asyncio.Task[None]] = []

    def _tap(self, receiver: RTCRtpReceiver, push: object) -> None:
        self._tasks.append(asyncio.ensure_future(self._take(receiver)))

    async def _take(self, receiver: RTCRtpReceiver) -> None:
        while True:
            frame: Any = await receiver.track.recv()
            samples = frame.to_ndarray().reshape(-1)[::2].astype(np.float32) / 32768  # both channels are the same
            with self._lock:
                self._waiting = np.concatenate([self._waiting, samples])

    def _period(self, now_s: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        with self._lock:
            taken, self._waiting = self._waiting[:PERIOD_SAMPLES], self._waiting[PERIOD_SAMPLES:]
        self._asked += PERIOD_SAMPLES
        self._missing += PERIOD_SAMPLES - len(taken)
        return np.concatenate([taken, np.zeros(PERIOD_SAMPLES - len(taken), np.float32)])

    @asynccontextmanager
    async def receiving(self, url: str, token: str) -> AsyncIterator[None]:
        """In the room, and heard."""
        aiortc_repairs.tap = self._tap
        card = Card(self._period, self._recorder)
        try:
            async with link.join(url, token, sink_for=lambda track: None) as room:
                await room.wait_connected()
                yield
        finally:
            card.stop()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def settle(self) -> None:
        """What came in a burst while the room was joined is not kept as delay."""
        with self._lock:
            self._waiting = self._waiting[-PERIOD_SAMPLES:]

    async def counts(self) -> Figures:
        """Since the start, in samples."""
        return {"concealed": self._missing, "total": self._asked}


class Rust:
    """LiveKit's Rust SDK, which has libwebrtc's NetEQ."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._track: rtc.RemoteAudioTrack | None = None
        self._listening: asyncio.Task[None] | None = None

    async def _listen(self) -> None:
        async for event in rtc.AudioStream(self._track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=10):
            samples = np.frombuffer(event.frame.data, np.int16).astype(np.float32) / 32768
            self._recorder.hear(time.monotonic(), samples)

    @asynccontextmanager
    async def receiving(self, url: str, token: str) -> AsyncIterator[None]:
        """In the room, and heard."""
        room = rtc.Room()

        @room.on("track_subscribed")
        def subscribed(track: rtc.RemoteAudioTrack, *_: object) -> None:
            self._track, self._listening = track, asyncio.ensure_future(self._listen())

        await room.connect(url, token)
        try:
            yield
        finally:
            if self._listening is not None:
                self._listening.cancel()
            await room.disconnect()

    async def counts(self) -> Figures:
        """Since the start, in samples, by its own statistics."""
        for stat in await self._track.get_stats() if self._track else []:
            if stat.HasField("inbound_rtp"):
                inbound = stat.inbound_rtp.inbound
                return {
                    "concealed": float(inbound.concealed_samples),
                    "total": float(inbound.total_samples_received),
                    "buffer_s": inbound.jitter_buffer_delay,
                    "buffer_n": float(inbound.jitter_buffer_emitted_count),
                }
        raise RuntimeError("the SDK has no statistics of the track")


KINDS: dict[str, type[Ours] | type[Stock] | type[Rust]] = {"ours": Ours, "aiortc": Stock, "rust": Rust}


async def receive(kind: str, url: str, token: str, path: Path) -> None:
    """One receiver, from joining to its figures."""
    recorder = Recorder()
    one = KINDS[kind](recorder)
    async with one.receiving(url, token):
        while not recorder.anything.is_set():
            await asyncio.sleep(0.02)
        print("ready", flush=True)
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        recorder.begin_s, recorder.end_s = map(float, line.split())
        if isinstance(one, Stock):
            one.settle()
        await _until(recorder.begin_s)
        before, cpu_s = await one.counts(), time.process_time()
        await _until(recorder.end_s)
        cpu_s, after = time.process_time() - cpu_s, await one.counts()
    recorder.save(path)
    figures = {name: value - before[name] for name, value in after.items()}
    print(json.dumps(figures | {"cpu_s": cpu_s}), flush=True)


async def _until(time_s: float) -> None:
    await asyncio.sleep(time_s - time.monotonic())


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("livekit").disabled = True
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.run(receive(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
