"""Our playout, aiortc's own path and LiveKit's Rust SDK (NetEQ) side by side: one track, one wire, one time.

    python -m tests.bench.neteq [--rows "clean;loss 5;..."] [--settle 10] [--seconds 60] [-n 3]
        [--server 1.8.4]

One livekit-server, one speaker, three receivers, each a process of its own behind a relay of its own that plays the
same script with the same seed; every way takes 20 ms. What is counted begins `--settle` seconds after the script, with
which all three have just begun to hear. Medians of n runs (range).

concealed: of the samples played, those that no packet brought, by the receiver's own count; aiortc's are those its card
did not get. heard: of the 20 ms with voice, those that sound as they were sent (tests.bench.speech), one measure for
all, a FEC copy counts. buffer: the mean time in the buffer by the receiver's own count, ours over the fastest packet.
ear: from mouth to ear by correlation, one measure for all, the network's 20 ms, the frame's 20 ms and the encoder's
6.5 ms included, no card. CPU: of the whole process, its part in the bench included.

Our playout may wait for as little as 20 ms; the settings' default of 40 ms adds up to 20 where a network is better.

ahead: ear's mean at most NetEQ's + 10 ms, and concealed at most NetEQ's (audio-path T17), but for 0.1 %, which are
three frames of a minute and one stall of the machine. As there is no quiet machine: `chrt -r 10` before the command, as
root, lets all of it run before whatever else runs there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.core.audio import FRAME_SAMPLES, EncodedFrame
from service.room import link, peers
from service.room.tracks import PacketQueue
from tests.bench.speech import FRAME_S, Ear, Speech
from tests.conformance import servers
from tests.conformance.servers import Server
from tests.net.relay import relay
from tests.net.script import Step, step

KINDS = ("ours", "aiortc", "rust")
JOIN_S = 30.0
ALLOWED_MS, ALLOWED_PERCENT = 10.0, 0.1
Figures = dict[str, float]


def wire(**changes: float) -> Step:
    """For all media, both ways, from the beginning."""
    return step(on="udp", **({"delay_ms": 20.0} | changes))


ROWS: dict[str, Step] = {
    "clean": wire(),
    "loss 1": wire(loss=0.01),
    "loss 5": wire(loss=0.05),
    "loss 10": wire(loss=0.10),
    "loss 20": wire(loss=0.20),
    "burst 5": wire(burst_loss=0.05, burst_packets=3),
    "burst 10, jitter 30": wire(burst_loss=0.10, burst_packets=3, jitter_ms=30),
    "jitter 30": wire(jitter_ms=30),
    "jitter 60": wire(jitter_ms=60),
    "loss 5, jitter 30": wire(loss=0.05, jitter_ms=30),
    "loss 10, jitter 30": wire(loss=0.10, jitter_ms=30),
    "wifi": wire(jitter_ms=2, stall=0.004, stall_ms=120),
    "wifi, loss 1": wire(jitter_ms=2, stall=0.004, stall_ms=120, loss=0.01),
}


class Receiver:
    """A process of tests.bench.receivers."""

    def __init__(self, process: asyncio.subprocess.Process, path: Path) -> None:
        self._process, self._path = process, path

    async def ready(self) -> None:
        """Wait until it hears. Raises RuntimeError when it ends instead."""
        await self._line()

    def measure(self, begin_s: float, end_s: float) -> None:
        """Tell it when."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{begin_s} {end_s}\n".encode())

    async def figures(self, speech: Speech, began_s: float) -> Figures:
        """What it counted, and what its listener heard."""
        counted = json.loads(await self._line())
        await self._process.wait()
        with np.load(self._path) as saved:
            ear = Ear(0.01, list(saved["times_s"]), list(saved["blocks"]))
        found = await asyncio.get_running_loop().run_in_executor(None, speech.found, ear, began_s)
        delays_ms = 1000 * np.array(found.delays_s)
        minutes = len(ear.blocks) * ear.block_s / 60
        return {
            "heard %": 100 * found.heard,
            "concealed %": 100 * counted["concealed"] / counted["total"],
            "fec %": 100 * counted.get("fec", 0) / counted["total"],
            "buffer ms": 1000 * counted.get("buffer_s", np.nan) / counted.get("buffer_n", 1),
            "ear mean": float(delays_ms.mean()),
            "p50": float(np.percentile(delays_ms, 50)),
            "p95": float(np.percentile(delays_ms, 95)),
            "CPU ms/min": 1000 * counted["cpu_s"] / minutes,
        }

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a receiver has ended before its time")
        return line.decode()


@asynccontextmanager
async def receiver(kind: str, url: str, token: str, folder: Path) -> AsyncIterator[Receiver]:
    """In the room until the end."""
    path = folder / f"{kind}.npz"
    command = (sys.executable, "-m", "tests.bench.receivers", kind, url, token, str(path))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield Receiver(process, path)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def speak(speech: Speech, queue: PacketQueue, began_s: float) -> None:
    """A packet each 20 ms, for ever."""
    n = 0
    while True:
        payload = speech.packets[n % len(speech.packets)]
        queue.push(EncodedFrame(n & 0xFFFF, n * FRAME_SAMPLES & 0xFFFFFFFF, payload))
        n += 1
        await asyncio.sleep(began_s + n * FRAME_S - time.monotonic())


@asynccontextmanager
async def speaking(server: Server, speech: Speech) -> AsyncIterator[float]:
    """The speaker, beside the server; gives when it began."""
    queue = PacketQueue()
    async with link.join(server.url, server.token("speaker"), sink_for=lambda track: None) as room:
        await room.publish("speech", queue)
        await room.wait_connected()
        began_s = time.monotonic()
        task = asyncio.ensure_future(speak(speech, queue, began_s))
        try:
            yield began_s
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is the same in all rows."""

    version: str
    repeats: int
    settle_s: float
    seconds: float


async def run(server: Server, conditions: Step, plan: Plan, *, seed: int, speech: Speech) -> dict[str, Figures]:
    """One run of one row: the figures of each receiver."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        began_s = await stack.enter_async_context(speaking(server, speech))
        nets = [await stack.enter_async_context(relay(server.url)) for _ in KINDS]
        for net in nets:
            net.play(wire())  # nobody joins by a way that becomes longer then
        ones = [
            await stack.enter_async_context(receiver(kind, net.url, server.token(kind), folder))
            for kind, net in zip(KINDS, nets, strict=True)
        ]
        async with asyncio.timeout(JOIN_S):
            await asyncio.gather(*(one.ready() for one in ones))
        for net in nets:
            net.play(conditions, seed=seed)
        begin_s = time.monotonic() + plan.settle_s
        for one in ones:
            one.measure(begin_s, begin_s + plan.seconds)
        figures = await asyncio.gather(*(one.figures(speech, began_s) for one in ones))
    await peers.closed()
    return dict(zip(KINDS, figures, strict=True))


def verdict(ours: Figures, rust: Figures) -> str:
    """By the medians."""
    reasons = []
    if ours["ear mean"] > rust["ear mean"] + ALLOWED_MS:
        reasons.append("delay")
    if ours["concealed %"] > rust["concealed %"] + ALLOWED_PERCENT:
        reasons.append("concealed")
    return f"behind: {', '.join(reasons)}" if reasons else "ahead"


def show(row: str, runs: list[dict[str, Figures]]) -> None:
    """Three lines of the table."""
    medians = {
        kind: {name: statistics.median(one[kind][name] for one in runs) for name in runs[0][kind]} for kind in KINDS
    }
    for kind in KINDS:
        cells = "".join(f"{_cell([one[kind][name] for one in runs]):>20}" for name in medians[kind])
        print(f"{row if kind == KINDS[0] else '':<20}{kind:<8}{cells}")
    ours, rust = medians["ours"], medians["rust"]
    ratios = "".join(f"{ours[name] / rust[name] if rust[name] else np.nan:>20.2f}" for name in ours)
    print(f"{'':<20}{'ratio':<8}{ratios}   {verdict(ours, rust)}", flush=True)


def _cell(values: list[float]) -> str:
    digits = 0 if max(values) >= 1000 else 2 if max(values) < 10 else 1
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low}-{high})"


async def measure(rows: list[str], plan: Plan) -> None:
    """Print the table, row by row."""
    speech = Speech()
    when = f"{plan.seconds:g} s after {plan.settle_s:g} s"
    print(f"livekit-server {plan.version}, {when}, n = {plan.repeats}, median (range); ratio: ours to NetEQ")
    names = ("heard %", "concealed %", "fec %", "buffer ms", "ear mean", "p50", "p95", "CPU ms/min")
    print(f"{'':<28}{''.join(f'{name:>20}' for name in names)}")
    for row in rows:
        runs = []
        for seed in range(1, plan.repeats + 1):
            with tempfile.TemporaryDirectory() as folder, servers.node(plan.version, Path(folder) / "log") as node:
                server = Server(plan.version, node.url)
                runs.append(await run(server, ROWS[row], plan, seed=seed, speech=speech))
        show(row, runs)
    print(f"load at the end {os.getloadavg()[1]:.1f} (5 min)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=";".join(ROWS), help="separated by semicolons; " + "; ".join(ROWS))
    parser.add_argument("--settle", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--server", default=servers.OLD)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    rows = [row.strip() for row in arguments.rows.split(";")]
    plan = Plan(version=arguments.server, repeats=arguments.n, settle_s=arguments.settle, seconds=arguments.seconds)
    asyncio.run(measure(rows, plan))


if __name__ == "__main__":
    main()
