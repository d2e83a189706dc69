"""What the far end gets of line-in: rate, copies, gaps and bursts (audio-path T11, T15), from its packet log.

    python -m tests.bench.uplink [--minutes 10]

The bundled recording, over and over, by a box's line-in in a process of its own, through the embedded room to a
listener. Once a minute line-in is held for 10 s, as in a pause, and 1.5 s pass until it goes on.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
import wave
from collections import Counter
from pathlib import Path

import numpy as np

from service import settings
from service.core.audio import FRAME_SAMPLES, RATE_HZ, EncodedFrame
from service.core.opus_packet import spares_the_one_before
from service.lines import open_line_in
from service.room import link
from tests.fakes.rooms import embedded
from tests.fakes.speech import recorded

PAUSE_EVERY_S, PAUSE_S, RESUME_S = 60.0, 10.0, 1.5
BUSY_BYTES = 40  # a packet of silence is shorter


class Log:
    """The packets of the one track there is, and when they came."""

    def __init__(self) -> None:
        self.packets: list[tuple[float, EncodedFrame]] = []

    def push(self, frame: EncodedFrame) -> None:
        self.packets.append((time.monotonic(), frame))


async def box(url: str, talk: Path) -> None:
    """Publish line-in until standard input ends."""
    keys = {"BOOTHD_AUDIO__INPUT__DEVICE": f"wav:{talk}"}
    go = threading.Event()
    async with (
        open_line_in(settings.load(None, environ=keys), go=go, ended=threading.Event()) as line_in,
        link.join(url, "r/box", sink_for=lambda track: None) as room,
    ):
        await room.publish("microphone", line_in)
        await room.wait_connected()
        line_in.go()
        over = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        while not (await asyncio.wait({over}, timeout=PAUSE_EVERY_S - PAUSE_S - RESUME_S))[0]:
            line_in.hold()
            await asyncio.sleep(PAUSE_S)
            line_in.keep()
            await asyncio.sleep(RESUME_S)
            line_in.go()


async def listen(minutes: float) -> Log:
    """What came in this time."""
    heard = Log()
    with tempfile.TemporaryDirectory() as folder:
        talk = Path(folder) / "talk.wav"
        with wave.open(str(talk), "wb") as file:
            file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
            for _ in range(int(minutes * 60 / 25) + 2):
                file.writeframes(recorded())
        async with embedded() as rooms, link.join(rooms.url, "r/cloud", sink_for=lambda track: heard):
            program = (sys.executable, "-m", "tests.bench.uplink", "--box", rooms.url, str(talk))
            environ = {name: text for name, text in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
            process = await asyncio.create_subprocess_exec(*program, stdin=asyncio.subprocess.PIPE, env=environ)
            await asyncio.sleep(minutes * 60)
            await process.communicate(b"")
    return heard


def table(packets: list[tuple[float, EncodedFrame]]) -> str:
    """The rows, with what they have to reach."""
    frames = [frame for _, frame in packets]
    times_ms = 1000 * np.array([at_s for at_s, _ in packets])
    gaps_ms = np.diff(times_ms)
    half_ms, most_ms = np.percentile(gaps_ms, (50, 99))
    busy = [len(frame.payload) > BUSY_BYTES for frame in frames]
    rate = 8 * np.mean([len(frame.payload) for frame, speech in zip(frames, busy, strict=True) if speech]) / 20
    pairs = list(zip(frames, frames[1:], busy, strict=False))
    after_speech = [after for before, after, speech in pairs if speech and after.sequence == before.sequence + 1]
    copies = sum(spares_the_one_before(frame.payload) for frame in after_speech) / len(after_speech)
    steps = Counter((after.timestamp - before.timestamp) % 2**32 // FRAME_SAMPLES for before, after, _ in pairs)
    in_100_ms = np.searchsorted(times_ms, times_ms + 100.0) - np.arange(len(times_ms))
    rows = [
        ("packets", f"{len(frames)} in {(times_ms[-1] - times_ms[0]) / 1000:.1f} s", ""),
        ("rate of speech, kbit/s", f"{rate:.1f}", "28.8 to 35.2"),
        ("spare the one before", f"{copies:.1%} of those after speech", ">= 75 %"),
        ("configurations", str(dict(Counter(frame.payload[0] >> 3 for frame in frames))), "13, 15"),
        ("stereo", str(sum(bool(frame.payload[0] & 4) for frame in frames)), "0"),
        ("gaps, ms", f"p50 {half_ms:.1f}, p99 {most_ms:.1f}, max {gaps_ms.max():.1f}", ""),
        ("gaps > 40 ms", str(int((gaps_ms > 40).sum())), "0"),
        ("most packets in 100 ms", str(in_100_ms.max()), "5, and what was late"),
        ("frames from one to the next", str(dict(sorted(steps.items()))), "1"),
    ]
    return "\n".join(f"{name:<28}{seen:<52}{wanted}" for name, seen, wanted in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--box", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.box:
        asyncio.run(box(options.box[0], Path(options.box[1])))
    else:
        print(table(asyncio.run(listen(options.minutes)).packets))
