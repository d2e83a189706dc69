"""A script of network conditions, and what they do to each packet: pure and seeded, time is an argument.

    Script(step(loss=0.1, on="udp"), step(5, 8, blocked=True, on="udp down"), step(20, 3, kill=True, refused=True))

is 10 % loss both ways, at 5 s no media from the server for 8 s, at 20 s the signalling killed and refused for 3 s.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

PATHS = ("udp up", "udp down", "tcp up", "tcp down")  # up is from client to server


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """One path at one moment. Shares are 0 to 1. TCP knows delay, jitter, rate, `blocked` and `refused`."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0  # up to so much more, evenly spread; order is kept, as a queue keeps it
    loss: float = 0.0  # each packet by itself
    burst_loss: float = 0.0  # besides, in bursts (Gilbert-Elliott): the share in the long run
    burst_packets: float = 5.0  # and the mean length of a burst
    reorder: float = 0.0  # packets that take `reorder_ms` longer and are overtaken
    reorder_ms: float = 50.0
    stall: float = 0.0  # packets before which the way stands still, as Wi-Fi does; what follows comes with them
    stall_ms: float = 120.0  # for a third of this up to all of it, evenly spread
    rate_kbps: float = math.inf
    queue_ms: float = 200.0  # a UDP packet that would wait longer for the rate is dropped; TCP waits
    blocked: bool = False  # UDP is lost; TCP stalls without being closed and goes on afterwards
    refused: bool = False  # nobody listens: new TCP connections are refused, old ones live

    def __post_init__(self) -> None:
        for share in (self.loss, self.burst_loss, self.reorder, self.stall):
            if not 0 <= share <= 1:
                raise ValueError(f"{share} is no share from 0 to 1")


@dataclass(frozen=True, slots=True)
class Step:
    """Made by `step`."""

    at_s: float
    lasts_s: float
    on: frozenset[str]
    changes: Mapping[str, float]
    kill: bool

    def holds(self, path: str, at_s: float) -> bool:
        """Whether it says anything about this path now."""
        return self.at_s <= at_s < self.at_s + self.lasts_s and self.on <= set(path.split())


def step(at_s: float = 0.0, lasts_s: float = math.inf, *, on: str = "", kill: bool = False, **changes: float) -> Step:
    """From `at_s`, for `lasts_s`, on some of `PATHS` ("udp", "up", "tcp down"; "" is all): these `Conditions` differ.

    `kill` resets every TCP connection there is at `at_s`.
    """
    if not any(set(on.split()) <= set(path.split()) for path in PATHS):
        raise ValueError(f"{on!r} is none of {PATHS}")
    replace(Conditions(), **changes)  # raises for a name or a share that is none
    return Step(at_s, lasts_s, frozenset(on.split()), changes, kill)


class Script:
    """Steps; where two say something about the same thing the later one in the list is right."""

    def __init__(self, *steps: Step, seed: int = 1) -> None:
        self.steps, self.seed = steps, seed

    def conditions(self, path: str, at_s: float) -> Conditions:
        """What holds on this path at this time."""
        now = Conditions()
        for one in self.steps:
            if one.holds(path, at_s):
                now = replace(now, **one.changes)
        return now

    def times_s(self) -> list[float]:
        """When anything changes, in order."""
        return sorted({time for one in self.steps for time in (one.at_s, one.at_s + one.lasts_s) if time < math.inf})

    def kills(self, at_s: float) -> bool:
        """Whether this is the moment of a kill."""
        return any(one.kill and one.at_s == at_s for one in self.steps)


@dataclass
class Counts:
    """What became of the packets of a path; for TCP, of the pieces that were read."""

    sent: int = 0
    sent_bytes: int = 0
    lost: int = 0
    blocked: int = 0
    overflowed: int = 0

    @property
    def delivered(self) -> int:
        """All others."""
        return self.sent - self.lost - self.blocked - self.overflowed


class Path:
    """One direction of one protocol. Packet n has the same luck in every run of a seed, whatever the conditions are:
    what a `loss` of 5 % takes, one of 10 % takes too."""

    def __init__(self, name: str, script: Script) -> None:
        self._name, self._script, self._udp = name, script, name.startswith("udp")
        self._random = random.Random(f"{script.seed} {name}")
        self._stalls = random.Random(f"{script.seed} {name} stalls")
        self._in_burst = False
        self._free_s = self._last_s = -math.inf
        self.counts = Counts()

    def arrival_s(self, at_s: float, size_bytes: int) -> float | None:
        """When a packet that is sent now arrives; None when it does not. Never before an earlier one
        that is not reordered."""
        now = self._script.conditions(self._name, at_s)
        luck, burst_luck, jitter_luck, order_luck = (self._random.random() for _ in range(4))
        stall_luck, length_luck = self._stalls.random(), self._stalls.random()
        self.counts.sent += 1
        self.counts.sent_bytes += size_bytes
        if self._udp:
            self._in_burst = burst_luck >= 1 / now.burst_packets if self._in_burst else burst_luck < _begins(now)
            if now.blocked:
                self.counts.blocked += 1
                return None
            if luck < now.loss or (self._in_burst and now.burst_loss > 0):
                self.counts.lost += 1
                return None
            if self._free_s - at_s > now.queue_ms / 1000:
                self.counts.overflowed += 1
                return None
        self._free_s = max(self._free_s, at_s) + size_bytes * 8 / now.rate_kbps / 1000
        arrives_s = self._free_s + (now.delay_ms + jitter_luck * now.jitter_ms) / 1000
        if self._udp and order_luck < now.reorder:
            return arrives_s + now.reorder_ms / 1000
        if self._udp and stall_luck < now.stall:
            arrives_s += now.stall_ms / 1000 * (1 + 2 * length_luck) / 3
        self._last_s = max(arrives_s, self._last_s)
        return self._last_s


def _begins(now: Conditions) -> float:
    """How likely a burst begins with the next packet, so that `burst_loss` comes out in the long run."""
    return 1.0 if now.burst_loss == 1 else now.burst_loss / (1 - now.burst_loss) / now.burst_packets
