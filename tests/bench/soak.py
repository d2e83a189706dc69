"""A long call on a network that fails: does anything grow?

    python -m tests.bench.soak [--minutes 40] [--server 1.8.4]

A booth behind the relay on a real server, its signalling killed every two minutes and its media blocked every five, for
8 s and each third time for 19 s. Exit status 1 when a bound is broken. Booth, translator and relay are one process, so
its figures are an upper bound for the box; the sockets of the relay, which it keeps on purpose, are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from itertools import combinations
from pathlib import Path

from service.room import peers
from tests.conformance import servers
from tests.conformance.booth import Booth, booth
from tests.conformance.servers import Server
from tests.net.relay import Relay, relay
from tests.net.script import Step, step

KEPT_PACKETS = 100  # by each ear: what it heard long ago would be a leak of the bench's own
BACK_S = 10.0  # after a block; nothing is killed before and within it


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, what goes wrong how often, and what may have grown then."""

    duration_s: float
    warm_up_s: float
    kill_every_s: float
    block_every_s: float
    sample_every_s: float
    memory_mb_per_min: float
    blocks_s: Sequence[float] = (8, 8, 19)
    threads: int = 2
    files: int = 4
    tasks: int = 6

    def steps(self) -> list[Step]:
        """For the relay; the last ones leave time to come back."""
        last_s = self.duration_s - max(self.blocks_s) - BACK_S
        begins_s = [n * self.block_every_s for n in range(1, 1 + int(last_s / self.block_every_s))]
        blocks = [(begin_s, self.blocks_s[n % len(self.blocks_s)]) for n, begin_s in enumerate(begins_s)]
        kills_s = [(n + 0.5) * self.kill_every_s for n in range(int(last_s / self.kill_every_s))]
        calm = [at_s for at_s in kills_s if not any(b - 2 < at_s < b + lasts_s + BACK_S for b, lasts_s in blocks)]
        return [
            *(step(begin_s, lasts_s, blocked=True, on="udp") for begin_s, lasts_s in blocks),
            *(step(at_s, 0.01, kill=True) for at_s in calm),
        ]


def plan(minutes: float) -> Plan:
    """The real one."""
    return Plan(
        duration_s=minutes * 60,
        warm_up_s=min(600.0, minutes * 60 / 4),
        kill_every_s=120,
        block_every_s=300,
        sample_every_s=5,
        memory_mb_per_min=0.1,
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """Of this process, `at_s` after the start."""

    at_s: float
    memory_mb: float
    threads: int
    files: int
    tasks: int


def sample(at_s: float, net: Relay) -> Sample:
    """Now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(os.listdir("/proc/self/fd")) - len(net._udp._aliases)
    memory_mb = pages * resource.getpagesize() / 1e6
    return Sample(at_s, memory_mb, threading.active_count(), files, len(asyncio.all_tasks()))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table."""

    name: str
    first: float
    last: float
    slope: float
    grown: float
    bound: float

    @property
    def broken(self) -> bool:
        """Whether it grew by more than it may."""
        return self.grown > self.bound

    def __str__(self) -> str:
        unit = "MB per min" if self.name == "memory_mb" else "more at the end"
        return (
            f"{self.name:<10} {self.first:>8.1f} {self.last:>8.1f} {self.slope:>+11.3f}"
            f"   {self.grown:+.2f} of {self.bound:g} {unit}{'   BROKEN' if self.broken else ''}"
        )


def judge(plan: Plan, samples: Sequence[Sample]) -> list[Verdict]:
    """Memory by its slope; what is counted by the medians of the first and the last quarter after the warm-up."""
    warm = [one for one in samples if one.at_s >= plan.warm_up_s]
    quarter = max(1, len(warm) // 4)
    bounds = {"memory_mb": plan.memory_mb_per_min, "threads": plan.threads, "files": plan.files, "tasks": plan.tasks}
    verdicts = []
    for place, (name, bound) in enumerate(bounds.items(), 1):
        points = [(astuple(one)[0], float(astuple(one)[place])) for one in warm]
        first, last = (statistics.median(y for _, y in part) for part in (points[:quarter], points[-quarter:]))
        slope = _slope(points) * 60
        verdicts.append(Verdict(name, first, last, slope, slope if name == "memory_mb" else last - first, bound))
    return verdicts


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil and Sen's: the median of the slopes of all pairs, so that a few odd samples change nothing."""
    points = points[:: len(points) // 300 + 1]
    return statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2))


async def soak(
    plan: Plan, server: Server, *, seen: Callable[[Booth, Sample], None] = lambda one, now: None
) -> list[Verdict]:
    """Run it. Raises TimeoutError or AssertionError when the booth is not heard at the end, or had to ask the cloud."""
    samples = []
    async with relay(server.url) as net, booth(server, net.url) as one:
        for ear in (one.line_out.ear, one.microphone):
            ear.frames = deque(maxlen=KEPT_PACKETS)  # type: ignore[assignment]
        began_s = time.monotonic()
        net.play(*plan.steps())
        while (at_s := time.monotonic() - began_s) < plan.duration_s:
            samples.append(sample(at_s, net))
            seen(one, samples[-1])
            await asyncio.sleep(plan.sample_every_s)
        await one.both_heard()
        assert one.sessions == 1, one.outages
    await peers.closed()
    return judge(plan, samples)


class Progress:
    """A line a minute."""

    def __init__(self) -> None:
        self._minutes = -1

    def __call__(self, one: Booth, now: Sample) -> None:
        if now.at_s >= 60 * (self._minutes + 1):
            self._minutes += 1
            text = f"{now.memory_mb:.1f} MB, {now.threads} threads, {now.files} files, {now.tasks} tasks"
            print(f"{self._minutes:>3} min  {text}; {one.joins} joins, {len(one.outages)} outages", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--server", default=servers.OLD)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, servers.node(arguments.server, Path(folder) / "log") as node:
        server = Server(arguments.server, node.url)
        verdicts = asyncio.run(soak(plan(arguments.minutes), server, seen=Progress()))
    print(f"{'':<10} {'first':>8} {'last':>8} {'per min':>11}   grown after the warm-up")
    print(*verdicts, sep="\n")
    return int(any(verdict.broken for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
