"""A network, a far sender and a card in virtual time, for the playout (audio-path 5): seeded, exact, repeatable."""

from __future__ import annotations

import functools
import heapq
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame
from service.dsp.playout import Playout
from service.room.nacks import Nacks
from service.sound.opus import OpusEncoder
from tests.fakes.speech import sentences

FRAME_S = FRAME_SAMPLES / RATE_HZ
PULL_SAMPLES = 480
HUM = [b"\x78\xc0hum"]  # the first bytes of voice with a copy of the packet before (RFC 6716)
Arrival = tuple[float, EncodedFrame]


class HumDecoder:
    """Cheap, for long runs: whatever is in the packets, 150 Hz that goes on without a seam."""

    FRAME = (0.3 * np.sin(2 * np.pi * 150 * np.arange(6 * FRAME_SAMPLES) / RATE_HZ)).astype("<f4").tobytes()

    def decode(self, payload: bytes) -> bytes:
        return self.conceal(FRAME_SAMPLES)

    def recover(self, next_payload: bytes, samples: int) -> bytes:
        return self.conceal(samples)

    def conceal(self, samples: int) -> bytes:
        return self.FRAME[: 4 * samples]


@functools.cache
def speech() -> list[bytes]:
    """The packets of the recording's sentences, without the pauses between them; the end fits the beginning."""
    pcm = b"".join(sentences())
    pcm = pcm[: len(pcm) // (2 * FRAME_SAMPLES) * 2 * FRAME_SAMPLES] * 2
    encoder = OpusEncoder()
    packets = [encoder.encode(pcm[at : at + 2 * FRAME_SAMPLES]) for at in range(0, len(pcm), 2 * FRAME_SAMPLES)]
    return packets[len(packets) // 2 :]


@dataclass(frozen=True, slots=True)
class Outage:
    """Nothing comes through from then on for so long. What was sent comes at its end, or never."""

    at_s: float
    length_s: float
    lost: bool


@dataclass(kw_only=True)
class Network:
    """What arrives of a stream of 20 ms packets. Each is late by the route, jitter and stalls, in order."""

    payloads: Sequence[bytes]
    seed: int = 7
    route_s: Callable[[float], float] = lambda now_s: 0.020
    jitter_s: float = 0.0
    loss: float = 0.0  # of packets; of requests and answers too, where there are any
    burst: float = 1.0  # the mean length of a lost run
    stalls: float = 0.0  # the share of packets with which a stall of 40 to 120 ms begins, as on Wi-Fi
    swapped: float = 0.0  # the share of packets that come 30 ms later than they should, out of order
    doubled: float = 0.0
    rtt_s: float | None = None  # lost packets are asked for again, as the room does
    ppm: float = 0.0  # of the sender's clock
    outages: Sequence[Outage] = ()
    sequence: int = 65_000  # wraps early
    timestamp: int = 2**32 - 600 * FRAME_SAMPLES
    sent: int = field(default=0, init=False)
    now_s: float = field(default=0.0, init=False)  # what the card asks for next

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._coming: list[tuple[float, int, EncodedFrame]] = []
        self._nacks = Nacks()
        self._last_s = self._stalled_until_s = 0.0
        self._losing = False
        self._outage = self._arrivals = 0

    def until(self, now_s: float) -> Iterator[Arrival]:
        """What has come by now."""
        while (sent_s := self.sent * FRAME_S / (1 + self.ppm * 1e-6)) <= now_s:
            self._send(sent_s, self.packet(self.sent))
            self.sent += 1
        while self._coming and self._coming[0][0] <= now_s:
            arrival_s, _, frame = heapq.heappop(self._coming)
            if self.rtt_s is not None:
                self._ask_again(arrival_s, frame.sequence)
            yield arrival_s, frame

    def packet(self, number: int) -> EncodedFrame:
        """As it is sent."""
        timestamp = (self.timestamp + number * FRAME_SAMPLES) & 0xFFFFFFFF
        return EncodedFrame((self.sequence + number) & 0xFFFF, timestamp, self.payloads[number % len(self.payloads)])

    def _send(self, sent_s: float, frame: EncodedFrame) -> None:
        if self._chance.random() < self.stalls:
            self._stalled_until_s = sent_s + self._chance.uniform(0.040, 0.120)
        arrival_s = max(sent_s, self._stalled_until_s) + self.route_s(sent_s) + self._chance.random() * self.jitter_s
        outage = self._outage_at(sent_s)
        if outage is not None:
            arrival_s = max(arrival_s, outage.at_s + outage.length_s)
        self._last_s = arrival_s = max(arrival_s, self._last_s)
        if self._chance.random() < self.swapped:
            arrival_s += 0.030
        if not self._is_lost() and not (outage and outage.lost):
            self._arrive(arrival_s, frame)
            if self._chance.random() < self.doubled:
                self._arrive(arrival_s + 0.005, frame)

    def _is_lost(self) -> bool:
        """A chain of two states, whose lost runs have the mean length `burst`."""
        if self._losing:
            self._losing = self._chance.random() < 1 - 1 / self.burst
        if not self._losing:
            begins = self.loss / (self.burst * (1 - self.loss)) if self.burst > 1 else self.loss
            self._losing = self._chance.random() < begins
        return self._losing

    def _outage_at(self, sent_s: float) -> Outage | None:
        while self._outage < len(self.outages):
            outage = self.outages[self._outage]
            if sent_s < outage.at_s + outage.length_s:
                return outage if sent_s >= outage.at_s else None
            self._outage += 1
        return None

    def _arrive(self, arrival_s: float, frame: EncodedFrame) -> None:
        self._arrivals += 1
        heapq.heappush(self._coming, (arrival_s, self._arrivals, frame))

    def _ask_again(self, now_s: float, sequence: int) -> None:
        assert self.rtt_s is not None
        for asked in self._nacks.received(sequence, now_s):
            back = (self.sequence + self.sent - asked) & 0xFFFF
            if self._chance.random() >= self.loss and self._chance.random() >= self.loss:
                self._arrive(now_s + self.rtt_s + self._chance.random() * self.jitter_s, self.packet(self.sent - back))


def wandering(now_s: float) -> float:
    """A crystal: 100 ppm, a little less at night, and the heating goes on and off."""
    return 100 + 30 * math.sin(2 * math.pi * now_s / 86_400) + 5 * math.sin(2 * math.pi * now_s / 1800)


def soak(*, hours: int, payloads: Sequence[bytes]) -> Network:
    """Jitter and Wi-Fi stalls, another route every half hour, and every hour an outage."""
    return Network(
        payloads=payloads,
        jitter_s=0.040,
        stalls=0.002,
        route_s=lambda now_s: (0.020, 0.035, 0.090, 0.025)[int(now_s / 1800) % 4],
        outages=[Outage(1800 + 3600 * hour, 0.5 + 4.5 * (hour % 10) / 9, hour % 2 == 0) for hour in range(hours)],
    )


@dataclass
class Heard:
    """What a card with this clock was given: at each pull the delay in ms (NaN in silence), and the sound if asked."""

    delays_ms: NDArray[np.float64]
    sound: NDArray[np.float32]
    most_held: int

    def quantiles(self, *shares: float, after_s: float = 0.0) -> list[float]:
        """Of the delay in ms."""
        chosen = self.delays_ms[round(after_s * RATE_HZ / PULL_SAMPLES) :]
        return [float(np.nanquantile(chosen, share)) for share in shares]


def hear(
    playout: Playout,
    network: Network,
    *,
    until_s: float,
    card_ppm: Callable[[float], float] = lambda now_s: 0.0,
    keep_sound: bool = False,
) -> Heard:
    """Let a card pull 10 ms every 10 ms of its own time, on from where it was."""
    now_s, delays, sound, most_held = network.now_s, [], [], 0
    while now_s < until_s:
        for arrival_s, frame in network.until(now_s):
            playout.put(arrival_s, frame)
        most_held = max(most_held, playout.held)
        delay_s = playout.delay_s(now_s)
        delays.append(np.nan if delay_s is None else delay_s * 1000)
        piece = playout.pull(now_s, PULL_SAMPLES)
        if keep_sound:
            sound.append(piece)
        now_s += PULL_SAMPLES / RATE_HZ / (1 + card_ppm(now_s) * 1e-6)
    network.now_s = now_s
    return Heard(np.array(delays), np.concatenate(sound) if sound else np.zeros(0, np.float32), most_held)
