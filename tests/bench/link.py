"""Our link beside LiveKit's Rust SDK: one server, one relay script, one run, medians.

    python -m tests.bench.link [--rows join,kill,block,restart,loss,distance] [-n 5] [--server 1.8.4]

Both clients are in rooms of their own at the same time, each behind a relay of its own that plays the same script, each
with a far side of its own of the same make. Everything in seconds but where it says otherwise. `never`: not within half
a minute. The targets are those of the peers' document, section 6; a gap of 0 is one that no block of sound shows.

Our playout forgets the jitter of the joins once, before anything is measured (`settle`): ten joins in one process hold
each other up. The SDK has no such call.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from service.room import peers
from tests.bench.clients import Client, Far, Ours, Rust, far_side
from tests.bench.sound import Trace
from tests.conformance import servers
from tests.conformance.servers import Node, Server
from tests.net.relay import Relay, relay
from tests.net.script import step

NEVER_S = 30.0
Figures = dict[str, float]
KINDS: tuple[type[Client], ...] = (Ours, Rust)


class Call:
    """One client, its relay and its far side, heard both ways."""

    def __init__(self, client: Client, net: Relay, far: Far, join: Callable[[], Awaitable[None]]) -> None:
        self.client, self.net, self.far, self.join = client, net, far, join

    @property
    def ways(self) -> dict[str, Trace]:
        """What was heard, by direction."""
        return {"down": self.client.traces[0], "up": self.far.of(self.client.name)}

    async def heard_both_ways(self) -> None:
        async with asyncio.timeout(NEVER_S):
            while not (self.client.traces and all(trace.times_s for trace in self.ways.values())):
                await asyncio.sleep(0.02)

    async def heard_after(self, begin_s: float) -> None:
        """Wait until both have been heard since then, or will never be."""
        while time.monotonic() < begin_s + NEVER_S and not all(
            trace.first_after_s(begin_s) for trace in self.ways.values()
        ):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def calling(kind: type[Client], node: Node, version: str, *, tracks: int = 1) -> AsyncIterator[Call]:
    """A call in a room of its own; the client joins when `join` is called."""
    server, client = Server(version, node.url), kind()
    async with relay(node.url) as net, far_side(node.url, server.token, tracks=tracks) as far:
        async with AsyncExitStack() as stack:
            await asyncio.sleep(0.5)
            yield Call(client, net, far, lambda: client.run(net.url, server.token, stack))
    await peers.closed()


@asynccontextmanager
async def in_call(kind: type[Client], node: Node, version: str) -> AsyncIterator[Call]:
    async with calling(kind, node, version) as call:
        await call.join()
        await call.heard_both_ways()
        await asyncio.sleep(4)
        call.client.settle()
        await asyncio.sleep(2)
        yield call


async def join(kind: type[Client], node: Node, version: str) -> Figures:
    async with calling(kind, node, version) as call:
        began_s = time.monotonic()
        await call.join()
        await call.heard_both_ways()
        return {"join to first audio heard": call.client.traces[0].times_s[0] - began_s}


async def kill(kind: type[Client], node: Node, version: str) -> Figures:
    async def one(refused_s: float) -> Figures:
        async with in_call(kind, node, version) as call:
            began_s = time.monotonic()
            call.net.play(step(0, max(refused_s, 0.01), kill=True, refused=refused_s > 0))
            await asyncio.sleep(refused_s + 8)
            name = f"audio gap, signalling killed, refused {refused_s:g} s"
            return {name: max(trace.gap_s(began_s, time.monotonic()) for trace in call.ways.values())}

    return await together(one(0), one(3), one(10))


async def block(kind: type[Client], node: Node, version: str) -> Figures:
    async def one(blocked_s: float) -> Figures:
        async with in_call(kind, node, version) as call:
            normal_s = call.far.of(call.client.name).ages_s[-50:]
            call.net.play(step(0, blocked_s, blocked=True, on="udp"))
            end_s = time.monotonic() + blocked_s
            await asyncio.sleep(blocked_s)
            await call.heard_after(end_s)
            await asyncio.sleep(3)
            figures = {
                f"UDP blocked {blocked_s:g} s, audio {way} after its end": trace.first_after_s(end_s) or NEVER_S
                for way, trace in call.ways.items()
            }
            heard = call.far.of(call.client.name)
            from_s = end_s + max(1.0, heard.first_after_s(end_s) or NEVER_S)
            late_s = heard.age_between_s(from_s, from_s + 1.0)
            grown_s = NEVER_S if late_s is None else max(0.0, late_s - statistics.median(normal_s))
            return figures | {f"UDP blocked {blocked_s:g} s, microphone later than before, 1 s after": grown_s}

    return await together(*(one(blocked_s) for blocked_s in (5, 8, 12, 19, 45)))


async def restart(kind: type[Client], node: Node, version: str) -> Figures:
    async def one(down_s: float) -> Figures:
        with tempfile.TemporaryDirectory() as folder, servers.node(version, Path(folder) / "log") as own:
            async with in_call(kind, own, version) as call:
                own.kill()
                await asyncio.sleep(down_s)
                again = subprocess.Popen(own.process.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    await _answers(own.url)
                    up_s = time.monotonic()
                    await asyncio.sleep(NEVER_S)
                    after_s = [trace.first_after_s(up_s) or NEVER_S for trace in call.client.traces]
                finally:
                    again.kill()
                    again.wait()
        return {f"server down {down_s:g} s, its first 200 to audio": min(after_s)}

    return await together(one(0.3), one(10), one(60))


async def _answers(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)


async def loss(kind: type[Client], node: Node, version: str) -> Figures:
    async def one(share: float) -> Figures:
        async with in_call(kind, node, version) as call:
            call.net.play(step(loss=share, on="udp"))
            await asyncio.sleep(1)
            await call.client.mark()
            await asyncio.sleep(20)
            return {f"heard at {share:.0%} loss, percent": 100 * await call.client.heard()}

    return await together(*(one(share) for share in (0, 0.02, 0.05, 0.10, 0.20)))


async def distance(kind: type[Client], node: Node, version: str) -> Figures:
    async def one(round_trip_ms: int) -> Figures:
        async with calling(kind, node, version, tracks=3) as call:
            call.net.play(step(delay_ms=round_trip_ms / 2))
            began_s = time.monotonic()
            await call.join()
            while time.monotonic() - began_s < NEVER_S:
                if len(call.client.traces) == 3 and all(trace.times_s for trace in call.client.traces):
                    break
                await asyncio.sleep(0.02)
            name = f"three tracks audible after join, {round_trip_ms} ms round trip"
            return {name: min(NEVER_S, time.monotonic() - began_s)}

    return await together(*(one(round_trip_ms) for round_trip_ms in (160, 400, 700)))


async def together(*rows: Awaitable[Figures]) -> Figures:
    """All at once, each in a room of its own."""
    figures: Figures = {}
    for one in await asyncio.gather(*rows):
        figures |= one
    return figures


ROWS: dict[str, Callable[[type[Client], Node, str], Awaitable[Figures]]] = {
    "join": join,
    "kill": kill,
    "block": block,
    "restart": restart,
    "loss": loss,
    "distance": distance,
}
# By the beginning of a row's name; the limit, and whether more is better.
TARGETS = {
    "join": (0.2, False),
    "audio gap": (0.12, False),  # the longest hole without any trouble, by the same document
    "UDP blocked": (0.3, False),
    "server down": (5.0, False),
    "heard at 10%": (99.2, True),
    "heard at 20%": (98.2, True),
}


def line(name: str, ours: list[float], rust: list[float]) -> str:
    """One row: medians with ranges, their ratio, the target and whether ours meets it."""
    mine, theirs = statistics.median(ours), statistics.median(rust)
    target = next((value for begin, value in TARGETS.items() if name.startswith(begin)), None)
    met = ""
    if target is not None:
        limit, more = target
        met = f"{'>=' if more else '<='} {limit:g} {'met' if (mine >= limit if more else mine <= limit) else 'MISSED'}"
    ratio = f"{mine / theirs:.2f}" if theirs else "-"
    return f"{name:<58} {_shown(mine, ours):>22} {_shown(theirs, rust):>22} {ratio:>6}  {met}"


def _shown(median: float, values: list[float]) -> str:
    if median >= NEVER_S and max(values) == NEVER_S:
        return "never"
    return f"{median:.2f} ({min(values):.2f}-{max(values):.2f})"


async def measure(rows: list[str], repeats: int, version: str) -> None:
    """Print the table, row by row."""
    print(f"livekit-server {version}, n = {repeats}, median (range)")
    print(f"{'':<58} {'ours':>22} {'Rust SDK':>22} {'ratio':>6}  target")
    for row in rows:
        found: dict[type[Client], dict[str, list[float]]] = {kind: {} for kind in KINDS}
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder, servers.node(version, Path(folder) / "log") as node:
                results = await asyncio.gather(*(ROWS[row](kind, node, version) for kind in KINDS))
            for kind, figures in zip(KINDS, results, strict=True):
                for name, value in figures.items():
                    found[kind].setdefault(name, []).append(value)
        for name, ours in found[Ours].items():
            print(line(name, ours, found[Rust][name]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--server", default=servers.OLD)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("livekit").disabled = True  # it says in red what the table says
    asyncio.run(measure(arguments.rows.split(","), arguments.n, arguments.server))


if __name__ == "__main__":
    main()
