"""Encoded frames in when they come, one period of samples out when asked (audio-path 4).

Pure: time and packets are arguments. What comes too late is never played as delay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame
from service.core.opus_packet import DTX_BYTES
from service.core.ports import Decoder
from service.dsp.arrivals import Arrivals
from service.dsp.decoding import Decoding
from service.dsp.drift import Resampler
from service.dsp.fader import FALL, faded_in
from service.dsp.outlet import Outlet
from service.dsp.playout_stats import PlayoutState, PlayoutStats
from service.dsp.steering import ABOVE_S, SLACK_S, Steering

Samples = NDArray[np.float32]

PULL_S = 0.010
MIN_TARGET_S, MAX_TARGET_S = 0.020, 0.500
CONCEAL_SAMPLES = RATE_HZ // 8  # 125 ms; libopus fades by itself
COMFORT_SAMPLES = RATE_HZ  # a sender that is silent says so again every 400 ms
STALL_S = 0.250
SPARE_SAMPLES = 2  # the outlet may need more than it gives
LATE_IN_A_ROW = 50
NEVER = -(1 << 62)  # before every timestamp


class Playout:
    """One stream. `put` and `pull` are called under one lock of the caller's; neither raises nor blocks.

    Without a resampler two clocks that drift apart are reconciled by splices alone. `drift_ppm` is what the card's last
    playout had learnt; `pull_s` how much is pulled at once.
    """

    def __init__(
        self,
        *,
        decoder: Decoder,
        resampler: Resampler | None = None,
        min_target_s: float = MIN_TARGET_S,
        pull_s: float = PULL_S,
        drift_ppm: float | None = None,
    ) -> None:
        self.stats = PlayoutStats()
        self._decoding = Decoding(decoder, self.stats)
        self._min_target_s = min_target_s
        self._outlet = Outlet(resampler, self.stats)
        # The other half of what the resampler holds lies between the target and the delay that is held.
        self._margin_s = pull_s if resampler is None else pull_s + resampler.held_samples / RATE_HZ / 2
        self._steering = Steering(self._outlet, drift_ppm=drift_ppm)
        self._idle = True
        self.reset()

    def reset(self) -> None:
        """Another stream begins: forget packets and time, but not the card's clock."""
        self._fall_silent()
        self._arrivals = Arrivals()
        self._late_run = 0
        self._next = NEVER  # timestamp of the next sample to decode
        self._last_sequence = 0  # of the packet decoded last
        self._waited = 0  # samples concealed while nothing was there
        self._comfort = 0  # samples of comfort noise that may still be made
        self._steering.reset()

    @property
    def target_s(self) -> float:
        """How old a sample should be when it is played, over the fastest packet."""
        wanted_s = self._arrivals.delay.jitter_s + self._margin_s + self._arrivals.loss.extra_s
        return min(MAX_TARGET_S, max(self._min_target_s, wanted_s))

    def delay_s(self, now_s: float) -> float | None:
        """How old the next sample to be heard is, over the fastest packet; None in silence between spurts."""
        return None if self._idle else self._age_s(now_s, self._next)

    @property
    def jitter_s(self) -> float:
        """By which hardly any packet comes later than the fastest."""
        return self._arrivals.delay.jitter_s

    @property
    def loss(self) -> float:
        """The share of packets that did not come at first, lately."""
        return self._arrivals.loss.loss

    @property
    def drift_ppm(self) -> float:
        """By how much more is taken from the sender than is played: negative for a card that runs fast."""
        return self._steering.drift.learnt * 1e6

    @property
    def held(self) -> int:
        """Packets that wait."""
        return len(self._arrivals.held)

    @property
    def learnt_ppm(self) -> float | None:
        """`drift_ppm`, once it is worth keeping for the card's next playout."""
        return self.drift_ppm if self._steering.drift.known else None

    def state(self, now_s: float) -> PlayoutState:
        """What can be told of the stream now."""
        delay_s = self.delay_s(now_s)
        return PlayoutState(
            delay_ms=None if delay_s is None else round(delay_s * 1000, 1),
            target_ms=round(self.target_s * 1000, 1),
            jitter_ms=round(self.jitter_s * 1000, 1),
            loss_percent=round(self.loss * 100, 2),
            drift_ppm=round(self.drift_ppm, 1),
            held_packets=self.held,
            counts=replace(self.stats),
        )

    def put(self, arrival_s: float, frame: EncodedFrame) -> None:
        """Take one packet, in any order."""
        self.stats.received += 1
        packet = self._arrivals.packet(frame)
        if packet is None:
            self.reset()
            packet = self._arrivals.packet(frame)
            assert packet is not None
        self._arrivals.learn(arrival_s, packet)
        if packet.timestamp >= self._next:
            self._late_run = 0
            self.stats.dropped += self._arrivals.hold(packet)
            return
        self.stats.late += 1
        self._late_run += 1
        if self._late_run >= LATE_IN_A_ROW:
            self.reset()  # the sender has started again with lower timestamps

    def pull(self, now_s: float, samples: int) -> Samples:
        """The next samples, mono float32; silence where there is nothing."""
        self._resync(now_s)
        self._fill(now_s, samples + SPARE_SAMPLES)
        self._keep_delay(now_s, samples)
        return self._outlet.give(samples, rate=self._steering.drift.rate)

    # -- when it is heard ---------------------------------------------------------------------------------------

    def _age_s(self, now_s: float, timestamp: int) -> float:
        """The age at which a sample is heard, over the fastest packet, were it decoded now."""
        return now_s + (self._outlet.ahead - timestamp) / RATE_HZ - self._arrivals.delay.base_s

    def _resync(self, now_s: float) -> None:
        """After a stall, throw away what is too old to be heard."""
        if not self._arrivals.held:
            return
        limit_s = self.target_s + STALL_S
        if self._age_s(now_s, min(self._arrivals.held)) <= limit_s or (
            not self._idle and self._age_s(now_s, self._next) <= limit_s
        ):
            return
        self._idle |= self._outlet.cut()
        self._fall_silent()
        for timestamp in [ts for ts in self._arrivals.held if self._age_s(now_s, ts) > self.target_s + SLACK_S]:
            self._drop(timestamp)
            self._next = max(self._next, timestamp + 1)
        self.stats.resyncs += 1

    def _drop(self, timestamp: int) -> None:
        del self._arrivals.held[timestamp]
        self.stats.dropped += 1

    def _keep_delay(self, now_s: float, samples: int) -> None:
        self._steering.hold()
        if not self._idle and not self._waited:
            above_s = self._age_s(now_s, self._next) - self.target_s
            self._steering.steer(now_s, above_s, samples / RATE_HZ)
            self._fill(now_s, samples + SPARE_SAMPLES)

    # -- what is decoded ----------------------------------------------------------------------------------------

    def _fill(self, now_s: float, samples: int) -> None:
        while self._outlet.waiting < samples and self._decode_one(now_s, samples):
            pass

    def _decode_one(self, now_s: float, samples: int) -> bool:
        """Append to what can be pulled; False when there is nothing to append."""
        if self._idle:
            return self._begin(now_s, samples)
        if not self._arrivals.held:
            return self._wait()
        first = min(self._arrivals.held)
        if self._waited:
            # A later packet shows that what was waited for is lost: the time spent waiting counts.
            self._next, self._waited = min(first, self._next + self._waited), 0
        gap = first - self._next
        packet = self._arrivals.held[first]
        if gap < 0:
            self._drop(first)  # its time lies within a packet that was longer than its timestamps say
        elif gap == 0:
            self._outlet.append(self._decoded(first))
        elif packet.sequence == self._last_sequence + 1 or gap > CONCEAL_SAMPLES + 4 * FRAME_SAMPLES:
            self._fall_silent()  # the sender paused, or far too much is missing
        elif gap <= FRAME_SAMPLES:
            self._outlet.append(self._decoding.recover(packet.payload, gap))
            self._next = first
        else:
            self._outlet.append(self._decoding.conceal(FRAME_SAMPLES))
            self._next += FRAME_SAMPLES
        return True

    def _decoded(self, timestamp: int) -> Samples:
        """The samples of this packet; what follows them is next."""
        packet = self._arrivals.held.pop(timestamp)
        self._last_sequence = packet.sequence
        silent = len(packet.payload) <= DTX_BYTES
        self._comfort = COMFORT_SAMPLES if silent else 0
        piece = self._decoding.comfort(FRAME_SAMPLES) if silent else self._decoding.decode(packet.payload)
        self._next = timestamp + len(piece)
        return piece

    def _begin(self, now_s: float, samples: int) -> bool:
        """The first packet of a spurt is held until it is as old as it should be: every pause mends the delay."""
        due = bool(self._arrivals.held)
        if due:
            first = min(self._arrivals.held)
            early = int((self.target_s + ABOVE_S - self._age_s(now_s, first)) * RATE_HZ)
            due = early < samples - self._outlet.waiting
        if not due:
            return self._stay_silent(samples - self._outlet.waiting)
        self._idle, self._next = False, first
        piece = faded_in(self._decoded(first))
        self._outlet.append(np.concatenate([np.zeros(max(0, early), np.float32), piece]))
        return True

    def _stay_silent(self, samples: int) -> bool:
        if self._comfort <= 0:
            return False
        self._comfort -= samples
        self._outlet.append(self._decoding.comfort(samples))
        return True

    def _wait(self) -> bool:
        """Nothing is there: conceal for a while, time standing still, since the packet may only be late."""
        if self._comfort:
            self._idle = True
        elif self._waited + FRAME_SAMPLES > CONCEAL_SAMPLES:
            self._fall_silent()
        else:
            self._outlet.append(self._decoding.conceal(FRAME_SAMPLES))
            self._waited += FRAME_SAMPLES
            self.stats.waited += 1
        return True

    def _fall_silent(self) -> None:
        """The spurt ends, without a click; the next packet begins a new one when its time has come."""
        if not self._idle:
            self._outlet.append(self._decoding.comfort(len(FALL)) * FALL)
        self._idle, self._waited = True, 0
