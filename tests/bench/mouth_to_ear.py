"""From the jack of line-in to the jack of line-out, on two simulated cards whose clocks differ by 230 ppm.

    python -m tests.bench.mouth_to_ear [--minutes 3] [--settle 60] [--tracks 1] [--load] [--no-priority]
        [--playout-min 20ms] [--periods 4] [--late 0]

The box's own line-in and line-out, opened by its settings in a process of their own; a second process sends each packet
back over UDP on the loopback interface, once for each track; the first track is heard, all are decoded. Line-in
(+150 ppm) hears bursts of noise, each another one; where each comes out of line-out (-80 ppm) is found by correlation,
and when by the cards' own clocks (audio-path 5.5). What is counted begins `--settle` seconds after the start. Slope:
how much later it is after ten minutes, by a line through all bursts. CPU: of the whole box process.

--load keeps two processes busy beside it. --no-priority: without the real-time priority that root is permitted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service import settings
from service.core.audio import RATE_HZ, EncodedFrame
from service.lines import open_line_in, open_line_out
from service.sound import cushion
from tests.fakes.sim_card import Card, SimCards

LINE_IN_PPM, LINE_OUT_PPM = 150, -80
BURST, EVERY = 1920, 24_013  # samples; not a multiple of any frame or period
VOICE_HZ = 200, 3000
LATEST_S = 1.2  # a burst that comes later counts as not heard
ALIKE = 0.4  # as much has a burst to correlate with what went in
TARGETS = ("es", "fr", "de", "it")
HEADER = struct.Struct("!BHI")  # track, sequence, timestamp
BUSY = "while True: pass"
GOALS = (
    "T8, quiet, 1 track: p50 <= 100, p95 <= 110 ms, slope 0 +- 1 ms; T9, load: p95 <= 250 ms, underruns <= 2 a minute"
)


def bursts(seconds: float) -> NDArray[np.float32]:
    """What line-in hears, from -1 to 1; the first burst after one second."""
    sound = np.zeros(round(seconds * RATE_HZ), np.float32)
    noise = np.random.default_rng(1)
    for place in places(len(sound)):
        sound[place : place + BURST] = _voice(noise.standard_normal(BURST))
    return sound


def _voice(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of noise what a codec for speech keeps the shape of."""
    spectrum = np.fft.rfft(noise)
    hz = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    spectrum[(hz < VOICE_HZ[0]) | (hz > VOICE_HZ[1])] = 0
    sound = np.fft.irfft(spectrum, len(noise))
    return 0.5 * sound / np.abs(sound).max()


def places(samples: int) -> range:
    return range(RATE_HZ, samples - BURST, EVERY)


# -- the box, and who sends its packets back --------------------------------------------------------------------------


class Wire(asyncio.DatagramProtocol):
    """What comes back goes to the playouts."""

    def __init__(self, sinks: list) -> None:
        self._sinks = sinks

    def datagram_received(self, data: bytes, address: object) -> None:
        track, sequence, timestamp = HEADER.unpack_from(data)
        self._sinks[track].push(EncodedFrame(sequence, timestamp, data[HEADER.size :]))


async def box(arguments: argparse.Namespace) -> None:
    cushion.USUAL_PERIODS = arguments.periods
    if arguments.no_priority:
        os.sched_setscheduler = _refuse
    pairs = [{"name": target, "source": "en", "target": target} for target in TARGETS]
    devices = {"BOOTHD_AUDIO__INPUT__DEVICE": "alsa:card=linein", "BOOTHD_AUDIO__OUTPUT__DEVICE": "alsa:card=lineout"}
    least = {"BOOTHD_AUDIO__OUTPUT__PLAYOUT_MIN": arguments.playout_min}
    loaded = settings.load(None, environ={"BOOTHD_PAIR": json.dumps(pairs), **devices, **least})
    sys.setswitchinterval(0.0005)
    go, ended = threading.Event(), threading.Event()
    async with open_line_out(loaded) as line_out, open_line_in(loaded, go=go, ended=ended) as line_in:
        sinks = [line_out.sink(target) for target in TARGETS[: arguments.tracks]]
        line_out.select(TARGETS[:1])
        wire, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Wire(sinks), remote_addr=("127.0.0.1", arguments.port)
        )
        line_in.go()
        sending = asyncio.create_task(_send(line_in, wire, arguments.tracks))
        await asyncio.sleep(arguments.settle)
        began, before = time.monotonic(), (_cpu_s(), line_out.xruns, line_in.xruns)
        await asyncio.sleep(60 * arguments.minutes)
        minutes = (time.monotonic() - began) / 60
        cpu_s, underruns, overruns = (
            now - then for now, then in zip((_cpu_s(), line_out.xruns, line_in.xruns), before, strict=True)
        )
        sending.cancel()
        wire.close()
        print(json.dumps({"cpu_ms": 1000 * cpu_s / minutes, "underruns": underruns / minutes, "overruns": overruns}))


async def _send(line_in, wire: asyncio.DatagramTransport, tracks: int) -> None:
    while True:
        frame = await line_in.read()
        for track in range(tracks):
            wire.sendto(HEADER.pack(track, frame.sequence, frame.timestamp) + frame.payload)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def echo(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        while True:
            data, sender = sock.recvfrom(2048)
            sock.sendto(data, sender)


# -- what came out ----------------------------------------------------------------------------------------------------


def time_s(card: Card, ppm: float, frame: float) -> float:
    """When this frame of the card's file was at the jack."""
    start = card.events[0]
    return start.at_s + (frame - start.frame) / (RATE_HZ * (1 + ppm * 1e-6))


def delays_ms(cards: SimCards, spoken: NDArray[np.float32], *, settle_s: float) -> tuple[NDArray, NDArray, int]:
    """When bursts were spoken after the start, how much later each was heard, and how many there were."""
    line_in, line_out = cards["linein"], cards["lineout"]
    heard = line_out.samples().astype(np.float32)
    start_s, end_s = line_in.events[0].at_s, time_s(line_out, LINE_OUT_PPM, len(heard)) - LATEST_S
    times, delays, count = [], [], 0
    for place in places(len(spoken)):
        at_s = time_s(line_in, LINE_IN_PPM, place)
        if not start_s + settle_s < at_s < end_s:
            continue
        count += 1
        origin = line_out.events[0].at_s
        first = round((at_s - origin) * RATE_HZ * (1 + LINE_OUT_PPM * 1e-6))
        found = _place(heard[first : first + round(LATEST_S * RATE_HZ)], spoken[place : place + BURST])
        if found is not None:
            times.append(at_s - start_s)
            delays.append(1000 * (time_s(line_out, LINE_OUT_PPM, first + found) - at_s))
    return np.array(times), np.array(delays), count


def _place(heard: NDArray[np.float32], burst: NDArray[np.float32]) -> int | None:
    size = 1 << (len(heard) + len(burst)).bit_length()
    products = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(burst, size)), size)[: len(heard) - BURST]
    energy = np.convolve(heard.astype(np.float64) ** 2, np.ones(BURST), "valid")[: len(products)]
    alike = products / np.sqrt(np.maximum(energy, 1e3) * np.sum(burst.astype(np.float64) ** 2))
    best = int(np.argmax(alike))
    return best if alike[best] > ALIKE else None


# -- all of it --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def beside(*commands: list[str]) -> Iterator[None]:
    processes = [subprocess.Popen(command) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(arguments: argparse.Namespace, folder: Path) -> None:
    options = {"channels": "1", "late": arguments.late}
    cards = SimCards(folder, linein={"ppm": LINE_IN_PPM, **options}, lineout={"ppm": LINE_OUT_PPM, **options})
    spoken = bursts(arguments.settle + 60 * arguments.minutes + 10)
    (spoken * 32767).astype("<i2").tofile(cards["linein"].file)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = [sys.executable, "-m", "tests.bench.mouth_to_ear"]
    with beside([*program, "--role", "echo", "--port", port], *([sys.executable, "-c", BUSY],) * (2 * arguments.load)):
        command = [*program, *sys.argv[1:], "--role", "box", "--port", port]
        done = subprocess.run(command, env=os.environ | cards.environment, stdout=subprocess.PIPE, check=True)
    counted = json.loads(done.stdout)
    times, delays, count = delays_ms(cards, spoken, settle_s=arguments.settle)
    slope = np.polyfit(times, delays, 1)[0] * 600
    beside_it = ", two busy processes" * arguments.load + ", no priority" * arguments.no_priority
    print(
        f"tracks: {arguments.tracks}, playout_min {arguments.playout_min}, buffer {arguments.periods} x 10 ms"
        f"{beside_it}; {arguments.minutes:g} min after {arguments.settle:g} s; load {os.getloadavg()[0]:.1f}\n"
        f"  heard {len(delays)} of {count}; delay p50 / p95 / max {np.median(delays):.0f} / "
        f"{np.percentile(delays, 95):.0f} / {delays.max():.0f} ms; slope {slope:+.2f} ms in 10 min\n"
        f"  underruns {counted['underruns']:.1f} a minute, overruns {counted['overruns']}; "
        f"CPU {counted['cpu_ms']:.0f} ms a minute\n  {GOALS}"
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.mouth_to_ear")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--settle", type=float, default=60)
    parser.add_argument("--tracks", type=int, choices=range(1, len(TARGETS) + 1), default=1)
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--no-priority", action="store_true")
    parser.add_argument("--playout-min", default="20ms", help="as in the settings")
    parser.add_argument("--periods", type=int, default=cushion.USUAL_PERIODS)
    parser.add_argument("--late", type=float, default=0, help="most milliseconds that a card wakes too late")
    parser.add_argument("--role", choices=("bench", "box", "echo"), default="bench", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = parsed()
    if given.role == "echo":
        echo(given.port)
    elif given.role == "box":
        asyncio.run(box(given))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(given, Path(name))
