"""How long MUTE takes: from the edge of the pin to the period that is written, and to the jack of a simulated card.

    python -m tests.bench.mute [-n 40]

prints medians and maxima. The card has the buffer of a real one, and a clock of its own; the pins are gpiozero's mocks.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from service import settings
from service.app import Box, open_box
from service.board import Board
from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame
from service.gpio.pins import Pins
from service.sound.alsa import AlsaOutput
from service.sound.opus import OpusEncoder
from tests.fakes.sim_card import SimCards

MUTE_PIN = 22
PEAK, QUIET = 0.25, 0.25 * 10 ** (-40 / 20)
WRITTEN_MS, HEARD_MS = 15, 55  # issue 5; heard: a buffer of 40 ms later


class Writes:
    """When each period was handed to the card, and how loud its end is."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []
        write = AlsaOutput.write

        def noted(card: AlsaOutput, pcm: bytes) -> bool:
            end = np.frombuffer(pcm, "<i2")[-RATE_HZ // 500 :]
            self.seen.append((now_s(), float(np.abs(end.astype(int)).max()) / 32767))
            return write(card, pcm)

        AlsaOutput.write = noted  # type: ignore[method-assign]

    def first_quiet_s(self, since_s: float) -> float:
        assert [peak for at_s, peak in self.seen if at_s < since_s][-1] > QUIET
        return next(at_s for at_s, peak in self.seen if at_s >= since_s and peak < QUIET)


def now_s() -> float:
    """By the clock of the simulated card."""
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


def first_heard_quiet_s(cards: SimCards, since_s: float) -> float:
    """When the jack had become quiet and stayed so for 5 ms."""
    card = cards["out"]
    start = next(event for event in reversed(card.events) if event.what == "start")
    began = start.frame + round((since_s - start.at_s) * RATE_HZ)
    loud = np.abs(card.samples()[began : began + RATE_HZ // 5].astype(int)) / 32767 > QUIET
    run = np.convolve(loud, np.ones(RATE_HZ // 200), "valid")
    return since_s + int(np.flatnonzero(run == 0)[0]) / RATE_HZ


async def speak(box: Box) -> None:
    """A tone on the Spanish track, as if a session stood."""
    sink, encoder = box.line_out.sink("es"), OpusEncoder()
    assert sink is not None
    box.line_out.select(["es"])
    began_s, n = time.monotonic(), 0
    while True:
        at = np.arange(n * FRAME_SAMPLES, (n + 1) * FRAME_SAMPLES) / RATE_HZ
        pcm = (PEAK * np.sin(2 * np.pi * 440 * at) * 32767).astype("<i2").tobytes()
        sink.push(EncodedFrame(n & 0xFFFF, n * FRAME_SAMPLES, encoder.encode(pcm)))
        n += 1
        await asyncio.sleep(began_s + n * 0.020 - time.monotonic())


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[tuple[Box, Pins]]:
    with wave.open(str(folder / "in.wav"), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(bytes(RATE_HZ))
    environ = {
        "BOOTHD_PAIR": '[{"name": "es", "source": "en", "target": "es"}]',
        "BOOTHD_AUDIO__INPUT__DEVICE": f"wav:{folder / 'in.wav'}",
        "BOOTHD_AUDIO__OUTPUT__DEVICE": "alsa:card=out",
        "BOOTHD_BUTTONS__MUTE": f'{{"pin": {MUTE_PIN}}}',
        "BOOTHD_HTTP__SOCKET": str(folder / "control.sock"),
        "PALABRA_API_KEY": "none",
    }
    board, pins = Board(), Pins("mock")
    async with open_box(settings.load(None, environ=environ), board=board, pins=pins, on_caption=print) as box:
        # Not the whole box: off air the translation would be faded out for what the settings want there.
        tasks = [asyncio.create_task(box.conductor.run()), asyncio.create_task(speak(box))]
        await asyncio.sleep(1.0)
        yield box, pins
        box.conductor.stopping()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def press(pins: Pins) -> float:
    """One tap; when its edge came."""
    at_s = now_s()
    pins.pin(MUTE_PIN).drive_low()
    await asyncio.sleep(0.06)
    pins.pin(MUTE_PIN).drive_high()
    return at_s


async def main(times: int, folder: Path, cards: SimCards) -> None:
    writes, edges_s = Writes(), []
    async with at_work(folder) as (_, pins):
        for _ in range(times):
            edges_s.append(await press(pins))
            await asyncio.sleep(0.2 + random.random() * 0.02)
            await press(pins)
            await asyncio.sleep(0.2)
    for what, target_ms, found in (
        ("written", WRITTEN_MS, [1000 * (writes.first_quiet_s(edge_s) - edge_s) for edge_s in edges_s]),
        ("heard", HEARD_MS, [1000 * (first_heard_quiet_s(cards, edge_s) - edge_s) for edge_s in edges_s]),
    ):
        print(
            f"edge to silence {what}: p50 {statistics.median(found):.1f} ms, max {max(found):.1f} ms "
            f"of {len(found)} presses; target {target_ms} ms"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=40)
    with tempfile.TemporaryDirectory() as made:
        sim = SimCards(Path(made), out={"channels": 1})
        os.environ.update(sim.environment)
        asyncio.run(main(parser.parse_args().n, Path(made), sim))
