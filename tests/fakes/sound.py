"""Stand-ins for cards, codec and clock that behave: they block only when told to, and keep what they got."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable

import numpy as np

from service.core.audio import FRAME_SAMPLES
from service.sound.pcm import PERIOD_SAMPLES, DeviceLost

SILENT_PERIOD = bytes(2 * PERIOD_SAMPLES)


class Clock:
    """Time that passes only by `sleep`; for two threads."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s


class FakeInput:
    """A line-in that gives what is put in: a block, None for an overrun, an exception to raise."""

    def __init__(self, blocks: Iterable[bytes | None | Exception] = (), *, clock: Clock | None = None) -> None:
        self.blocks: queue.SimpleQueue[bytes | None | Exception] = queue.SimpleQueue()
        self.clock = clock
        self.closed_by: str | None = None
        for block in blocks:
            self.blocks.put(block)

    def read(self) -> bytes | None:
        block = self.blocks.get()
        if isinstance(block, Exception):
            raise block
        self.raw = np.frombuffer(block or b"", "<i2").reshape(-1, 1)
        if self.clock is not None and block:
            self.clock.sleep(len(block) / 2 / 48000)
        return block

    def close(self) -> None:
        self.closed_by = threading.current_thread().name


class FakeOutput:
    """A line-out that keeps what it takes. Each entry of `troubles` spoils one write: False, or an exception."""

    def __init__(
        self, *, channels: int = 1, buffer_samples: int = 4 * PERIOD_SAMPLES, clock: Clock | None = None
    ) -> None:
        self.channels, self.buffer_samples = channels, buffer_samples
        self.clock = clock or Clock()
        self.writes: list[bytes] = []
        self.troubles: dict[int, bool | Exception] = {}
        self.tries = 0
        self.limit = 0
        self.closed_by: str | None = None

    def write(self, pcm: bytes) -> bool:
        trouble = self.troubles.get(self.tries, True)
        self.tries += 1
        if isinstance(trouble, Exception):
            raise trouble
        if trouble:
            self.writes.append(pcm)
            self.clock.sleep(PERIOD_SAMPLES / 48000)
        if self.limit and len(self.writes) >= self.limit:
            raise DeviceLost("enough")
        return trouble

    def close(self) -> None:
        self.closed_by = threading.current_thread().name

    @property
    def samples(self) -> np.ndarray:
        """Of one channel; of several, one row per sample."""
        samples = np.frombuffer(b"".join(self.writes), "<i2").astype(int)
        return samples if self.channels == 1 else samples.reshape(-1, self.channels)


class FakeDecoder:
    """Packets are text: a number is the value of all 960 samples, "bad" is corrupt. Keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def decode(self, payload: bytes) -> bytes:
        return self._samples("decode", payload, FRAME_SAMPLES)

    def recover(self, next_payload: bytes, samples: int) -> bytes:
        return self._samples("recover before", next_payload, samples)

    def conceal(self, samples: int) -> bytes:
        return self._samples("conceal", b"0.9", samples)

    def _samples(self, what: str, payload: bytes, samples: int) -> bytes:
        if payload == b"bad":
            raise ValueError("corrupt")
        if samples % 120:
            raise ValueError("not a multiple of 2.5 ms")
        self.asked.append(what if what == "conceal" else f"{what} {payload.decode()}")
        return np.full(samples, float(payload), "<f4").tobytes()


class FakeEncoder:
    """A frame's packet is its first sample, as text. Keeps the samples."""

    def __init__(self) -> None:
        self.encoded: list[int] = []

    def encode(self, pcm: bytes) -> bytes:
        assert len(pcm) == 2 * FRAME_SAMPLES
        self.encoded.append(int(np.frombuffer(pcm[:2], "<i2")[0]))
        return str(self.encoded[-1]).encode()


def frame_of(value: int) -> bytes:
    """20 ms of this sample."""
    return np.full(FRAME_SAMPLES, value, "<i2").tobytes()
