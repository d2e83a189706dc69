"""Encoded frames in when they come, one period of samples out when asked (audio-path 4).

Pure: time and packets are arguments. What comes too late is never played as delay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame
from service.core.ports import Decoder
from service.dsp.delay import DelayEstimator

Samples = NDArray[np.float32]

STORE_PACKETS = 100
CONCEAL_SAMPLES = RATE_HZ // 8  # 125 ms; libopus fades by itself
STALL_S = 0.250
QUIET = 1e-3  # -60 dBFS
FADE_SAMPLES = 240
JUMP_PACKETS = 3000
LATE_IN_A_ROW = 50
DTX_BYTES = 2


@dataclass(slots=True)
class PlayoutStats:
    """Counted since the start: packets, except where the name says otherwise."""

    received: int = 0
    played: int = 0
    fec: int = 0
    concealed: int = 0  # frames
    late: int = 0
    dropped: int = 0
    corrupt: int = 0
    resyncs: int = 0
    silence_samples: int = 0


@dataclass(frozen=True, slots=True)
class _Packet:
    sequence: int
    payload: bytes


class Playout:
    """One stream. `put` and `pull` are called under one lock of the caller's; neither raises nor blocks."""

    def __init__(self, *, decoder: Decoder, min_target_s: float = 0.020) -> None:
        self._decoder = decoder
        self._min_target_s = min_target_s
        self.stats = PlayoutStats()
        self.reset()

    def reset(self) -> None:
        """Another stream begins: forget packets and time."""
        self._store: dict[int, _Packet] = {}  # by unwrapped timestamp
        self._delay = DelayEstimator(min_target_s=self._min_target_s)
        self._sequence: int | None = None  # the highest, unwrapped
        self._timestamp = 0
        self._late_run = 0
        self._out: Samples = np.zeros(0, np.float32)
        self._idle = True
        self._next = 0  # unwrapped timestamp of the next sample to decode
        self._last_sequence = 0  # of the packet decoded last
        self._waited = 0  # samples concealed while nothing was there

    @property
    def target_s(self) -> float:
        """How old samples should be when they are played."""
        return self._delay.target_s

    def put(self, arrival_s: float, frame: EncodedFrame) -> None:
        """Take one packet, in any order."""
        self.stats.received += 1
        if self._sequence is not None and abs(_step(self._sequence, frame.sequence, 16)) > JUMP_PACKETS:
            self.reset()
        if self._sequence is None:
            self._sequence, self._timestamp = frame.sequence - 1, frame.timestamp
        sequence = self._sequence + _step(self._sequence, frame.sequence, 16)
        timestamp = self._timestamp + _step(self._timestamp, frame.timestamp, 32)
        if sequence > self._sequence:
            self._delay.gap(sequence - self._sequence - 1)
            self._sequence, self._timestamp = sequence, timestamp
            self._delay.arrived(arrival_s, timestamp / RATE_HZ)
        if not self._idle and timestamp < self._next:
            self.stats.late += 1
            self._late_run += 1
            if self._late_run >= LATE_IN_A_ROW:
                self.reset()  # the sender has started again with lower timestamps
            return
        self._late_run = 0
        self._store[timestamp] = _Packet(sequence, frame.payload)
        if len(self._store) > STORE_PACKETS:
            del self._store[min(self._store)]
            self.stats.dropped += 1

    def pull(self, now_s: float, samples: int) -> Samples:
        """The next samples, mono float32; silence where there is nothing."""
        self._resync(now_s)
        while len(self._out) < samples:
            piece = self._decode_one(now_s)
            if piece is None:
                break
            self._out = np.concatenate([self._out, piece])
        taken, self._out = self._out[:samples], self._out[samples:]
        if len(taken) < samples:
            self.stats.silence_samples += samples - len(taken)
            taken = np.concatenate([taken, np.zeros(samples - len(taken), np.float32)])
        return taken

    def _age_s(self, now_s: float, timestamp: int) -> float:
        """The age of a sample over the fastest packet, were it played now."""
        return now_s - timestamp / RATE_HZ - self._delay.base_s

    def _resync(self, now_s: float) -> None:
        """After a stall, throw away what is too old to be heard."""
        if not self._store:
            return
        limit_s = self._delay.target_s + STALL_S
        if self._age_s(now_s, min(self._store)) <= limit_s or (
            not self._idle and self._age_s(now_s, self._next) <= limit_s
        ):
            return
        for timestamp in [ts for ts in self._store if self._age_s(now_s, ts) > self._delay.target_s + 0.010]:
            del self._store[timestamp]
            self.stats.dropped += 1
        self.stats.resyncs += 1
        self._out = _faded(self._out)
        self._go_idle()

    def _go_idle(self) -> None:
        self._idle, self._waited = True, 0

    def _decode_one(self, now_s: float) -> Samples | None:
        if not self._store:
            return self._wait()
        first = min(self._store)
        if self._idle:
            if self._age_s(now_s, first) < self._delay.target_s:
                return None
            self._idle, self._next = False, first
        elif self._waited:
            # A later packet shows that what was waited for is lost: the time spent waiting counts.
            self._next = min(first, self._next + self._waited)
        self._waited = 0
        gap = first - self._next
        if gap <= 0:
            return self._play(now_s, first)
        packet = self._store[first]
        if packet.sequence == self._last_sequence + 1 or gap > CONCEAL_SAMPLES + 4 * FRAME_SAMPLES:
            self._go_idle()  # the sender paused, or far too much is missing
            return self._decode_one(now_s)
        if gap <= FRAME_SAMPLES:
            self._next = first
            self.stats.fec += 1
            return self._decoded(lambda: self._decoder.recover(packet.payload, gap), gap)
        self._next += FRAME_SAMPLES
        return self._conceal(FRAME_SAMPLES)

    def _play(self, now_s: float, timestamp: int) -> Samples | None:
        packet = self._store.pop(timestamp)
        self._last_sequence = packet.sequence
        if len(packet.payload) <= DTX_BYTES:
            piece = self._conceal(FRAME_SAMPLES)
        else:
            piece = self._decoded(lambda: self._decoder.decode(packet.payload), FRAME_SAMPLES)
            self.stats.played += 1
        self._next = timestamp + len(piece)
        late_s = self._age_s(now_s, timestamp) - self._delay.target_s
        if np.abs(piece).max(initial=0.0) < QUIET:
            # In silence the delay is brought back to its target for nothing.
            if late_s > FRAME_SAMPLES / RATE_HZ:
                return np.zeros(0, np.float32)
            if late_s < -FRAME_SAMPLES / RATE_HZ:
                return np.concatenate([piece, piece])
        return piece

    def _wait(self) -> Samples | None:
        """Nothing is there: conceal for a while, time standing still, since the packet may only be late."""
        if self._idle:
            return None
        if self._waited >= CONCEAL_SAMPLES:
            self._go_idle()
            return None
        self._waited += FRAME_SAMPLES
        return self._conceal(FRAME_SAMPLES)

    def _conceal(self, samples: int) -> Samples:
        self.stats.concealed += 1
        return np.frombuffer(self._decoder.conceal(samples), "<f4")

    def _decoded(self, decode: object, samples: int) -> Samples:
        try:
            return np.frombuffer(decode(), "<f4")  # type: ignore[operator]
        except ValueError:
            self.stats.corrupt += 1
            return self._conceal(samples)


def _step(known: int, wrapped: int, bits: int) -> int:
    """The signed distance from an unwrapped counter to a wrapped value (RFC 1982)."""
    half = 1 << (bits - 1)
    return (wrapped - known + half) % (1 << bits) - half


def _faded(samples: Samples) -> Samples:
    kept = samples[:FADE_SAMPLES].copy()
    return kept * np.linspace(1.0, 0.0, len(kept), dtype=np.float32)
