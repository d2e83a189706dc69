"""Encoded frames in when they come, one period of samples out when asked (audio-path 4).

Pure: time and packets are arguments. What comes too late is never played as delay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame
from service.core.ports import Decoder
from service.dsp.delay import DelayEstimator
from service.dsp.fader import rise

Samples = NDArray[np.float32]

STORE_PACKETS = 100  # 2 s
CONCEAL_SAMPLES = RATE_HZ // 8  # 125 ms; libopus fades by itself
STALL_S = 0.250
SLACK_S = 0.010
QUIET = 1e-3  # -60 dBFS
JUMP_PACKETS = 3000
JUMP_SAMPLES = JUMP_PACKETS * FRAME_SAMPLES
LATE_IN_A_ROW = 50
DTX_BYTES = 2
NEVER = -(1 << 62)  # before every timestamp
OPUS_STEP = RATE_HZ // 400  # Opus conceals in multiples of 2.5 ms
RISE = rise(RATE_HZ // 200)
FALL = 1.0 - RISE


@dataclass(slots=True)
class PlayoutStats:
    """Counted since the start: packets, except where the name says otherwise."""

    received: int = 0
    played: int = 0  # decoded, and so heard or skipped as silence
    fec: int = 0  # gaps filled from the next packet, or concealed by libopus where that holds no copy
    concealed: int = 0  # frames made up because nothing was there, DTX not counted
    late: int = 0  # came after their time, doubles included
    dropped: int = 0  # thrown away unheard: too old after a stall, or more than the store holds
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
        self._out: Samples = np.zeros(0, np.float32)  # decoded, not yet pulled; at most one packet and one pull
        self._idle = True
        self.reset()

    def reset(self) -> None:
        """Another stream begins: forget packets and time."""
        self._fall_silent()
        self._store: dict[int, _Packet] = {}  # by unwrapped timestamp
        self._delay = DelayEstimator(min_target_s=self._min_target_s)
        self._sequence: int | None = None  # the highest, unwrapped
        self._timestamp = 0  # of that packet, unwrapped
        self._late_run = 0
        self._next = NEVER  # unwrapped timestamp of the next sample to decode
        self._last_sequence = 0  # of the packet decoded last
        self._waited = 0  # samples concealed while nothing was there

    @property
    def target_s(self) -> float:
        """How old samples should be when they are played."""
        return self._delay.target_s

    def delay_s(self, now_s: float) -> float | None:
        """How old the next sample to be pulled is, over the fastest packet; None in silence between spurts."""
        return None if self._idle else self._age_s(now_s, self._next)

    def put(self, arrival_s: float, frame: EncodedFrame) -> None:
        """Take one packet, in any order."""
        self.stats.received += 1
        if self._sequence is None or self._is_another_stream(frame):
            self.reset()
            self._sequence, self._timestamp = frame.sequence - 1, frame.timestamp
        assert self._sequence is not None
        sequence = self._sequence + _step(self._sequence, frame.sequence, 16)
        timestamp = self._timestamp + _step(self._timestamp, frame.timestamp, 32)
        if sequence > self._sequence:
            self._delay.gap(sequence - self._sequence - 1)
            self._sequence, self._timestamp = sequence, timestamp
            self._delay.arrived(arrival_s, timestamp / RATE_HZ)
        if timestamp < self._next:
            self.stats.late += 1
            self._late_run += 1
            if self._late_run >= LATE_IN_A_ROW:
                self.reset()  # the sender has started again with lower timestamps
            return
        self._late_run = 0
        if frame.payload:  # without one it is padding, with the timestamp of a packet that has sound
            self._store[timestamp] = _Packet(sequence, frame.payload)
        if len(self._store) > STORE_PACKETS:
            self._drop(min(self._store))

    def pull(self, now_s: float, samples: int) -> Samples:
        """The next samples, mono float32; silence where there is nothing."""
        self._resync(now_s)
        while len(self._out) < samples and self._decode_one(now_s):
            pass
        taken, self._out = self._out[:samples], self._out[samples:]
        if len(taken) < samples:
            self.stats.silence_samples += samples - len(taken)
            taken = np.concatenate([taken, np.zeros(samples - len(taken), np.float32)])
        return taken

    def _is_another_stream(self, frame: EncodedFrame) -> bool:
        """Counters that one sender cannot have produced: the port does not carry the SSRC."""
        assert self._sequence is not None
        ahead = _step(self._sequence, frame.sequence, 16)
        later = _step(self._timestamp, frame.timestamp, 32)
        return abs(ahead) > JUMP_PACKETS or later < -JUMP_SAMPLES or ahead * later < 0

    def _age_s(self, now_s: float, timestamp: int) -> float:
        """The age of a sample over the fastest packet, were it decoded now."""
        return now_s + (len(self._out) - timestamp) / RATE_HZ - self._delay.base_s

    def _resync(self, now_s: float) -> None:
        """After a stall, throw away what is too old to be heard."""
        if not self._store:
            return
        limit_s = self._delay.target_s + STALL_S
        if self._age_s(now_s, min(self._store)) <= limit_s or (
            not self._idle and self._age_s(now_s, self._next) <= limit_s
        ):
            return
        for timestamp in [ts for ts in self._store if self._age_s(now_s, ts) > self._delay.target_s + SLACK_S]:
            self._drop(timestamp)
            self._next = max(self._next, timestamp + 1)
        self.stats.resyncs += 1
        self._fall_silent()

    def _drop(self, timestamp: int) -> None:
        del self._store[timestamp]
        self.stats.dropped += 1

    def _fall_silent(self) -> None:
        """The spurt ends, without a click; the next packet begins a new one when its time has come."""
        if not self._idle:
            self._out = np.concatenate([self._out, self._made_up(len(FALL)) * FALL])
        self._idle, self._waited = True, 0

    def _decode_one(self, now_s: float) -> bool:
        """Append to what can be pulled; False when there is nothing to append."""
        if not self._store:
            return self._wait()
        first = min(self._store)
        if self._idle:
            return self._age_s(now_s, first) >= self._delay.target_s and self._begin(first)
        if self._waited:
            # A later packet shows that what was waited for is lost: the time spent waiting counts.
            self._next, self._waited = min(first, self._next + self._waited), 0
        gap = first - self._next
        packet = self._store[first]
        if gap < 0:
            self._drop(first)  # its time lies within a packet that was longer than its timestamps say
        elif gap == 0:
            self._play(now_s, first)
        elif packet.sequence == self._last_sequence + 1 or gap > CONCEAL_SAMPLES + 4 * FRAME_SAMPLES:
            self._fall_silent()  # the sender paused, or far too much is missing
        elif gap <= FRAME_SAMPLES:
            self._out = np.concatenate([self._out, self._recovered(packet.payload, gap)])
            self._next = first
        else:
            self._conceal()
            self._next += FRAME_SAMPLES
        return True

    def _begin(self, first: int) -> bool:
        self._idle, self._next = False, first
        piece = self._decoded(first)
        piece[: len(RISE)] *= RISE[: len(piece)]
        self._out = np.concatenate([self._out, piece])
        return True

    def _play(self, now_s: float, timestamp: int) -> None:
        surplus = self._age_s(now_s, timestamp) - self._delay.target_s
        comfort_noise = len(self._store[timestamp].payload) <= DTX_BYTES
        piece = self._decoded(timestamp)
        if comfort_noise or np.abs(piece).max() < QUIET:
            # In silence the delay is brought back to its target for nothing.
            if surplus > SLACK_S:
                piece = piece[int(surplus * RATE_HZ) :]
            elif surplus < 0:
                piece = np.concatenate([piece, np.zeros(min(FRAME_SAMPLES, int(-surplus * RATE_HZ)), np.float32)])
        self._out = np.concatenate([self._out, piece])

    def _decoded(self, timestamp: int) -> Samples:
        """The samples of this packet; what follows them is next."""
        packet = self._store.pop(timestamp)
        self._last_sequence = packet.sequence
        piece = None
        if len(packet.payload) > DTX_BYTES:
            piece = self._tried(lambda: self._decoder.decode(packet.payload))
            self.stats.played += piece is not None
            self.stats.concealed += piece is None
        if piece is None:
            piece = self._made_up(FRAME_SAMPLES)
        self._next = timestamp + len(piece)
        return piece

    def _wait(self) -> bool:
        """Nothing is there: conceal for a while, time standing still, since the packet may only be late."""
        if self._idle:
            return False
        if self._waited + FRAME_SAMPLES > CONCEAL_SAMPLES:
            self._fall_silent()
        else:
            self._conceal()
            self._waited += FRAME_SAMPLES
        return True

    def _conceal(self) -> None:
        self.stats.concealed += 1
        self._out = np.concatenate([self._out, self._made_up(FRAME_SAMPLES)])

    def _recovered(self, next_payload: bytes, gap: int) -> Samples:
        """The samples before the next packet, from its copy of them."""
        whole = -(-gap // OPUS_STEP) * OPUS_STEP
        piece = self._tried(lambda: self._decoder.recover(next_payload, whole))
        self.stats.fec += piece is not None
        self.stats.concealed += piece is None
        return self._made_up(gap) if piece is None else piece[-gap:]

    def _made_up(self, samples: int) -> Samples:
        whole = -(-samples // OPUS_STEP) * OPUS_STEP
        return np.frombuffer(self._decoder.conceal(whole), "<f4")[:samples].copy()

    def _tried(self, decode: Callable[[], bytes]) -> Samples | None:
        try:
            return np.frombuffer(decode(), "<f4").copy()
        except ValueError:
            self.stats.corrupt += 1
            return None


def _step(known: int, wrapped: int, bits: int) -> int:
    """The signed distance from an unwrapped counter to a wrapped value (RFC 1982)."""
    half = 1 << (bits - 1)
    return (wrapped - known + half) % (1 << bits) - half
