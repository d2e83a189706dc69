"""The playout in virtual time: the tables of audio-path 5.1, 5.3 and 5.4, and its CPU time.

    python -m tests.bench.playout [--tables loss,drift,soak,stalls,cpu] [--minutes 5] [--hours 1]
        [--ppm 100,-100,300,-300]

Exact and repeatable but for the CPU time. Speech: the sandbox's recording without its pauses, over and over. In `loss`
the same arrivals go to aiortc's own jitter buffer. Delays in ms: of the playout over the fastest packet; of aiortc, of
a frame's release over its sending and the route's 20 ms. Each hour of `drift` and `soak` is a row, printed when it is
done.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from service.core.audio import FRAME_SAMPLES
from service.dsp.playout import Playout
from service.dsp.playout_stats import PlayoutStats
from service.sound.opus import OpusDecoder
from service.sound.resampler import SoxrResampler
from tests.fakes.network import FRAME_S, Arrival, Network, Outage, hear, soak, speech, wandering

SETTLING_S = 20.0
ROWS: dict[str, dict[str, Any]] = {
    "clean": {},
    "jitter 30": {"jitter_s": 0.030},
    "jitter 60": {"jitter_s": 0.060},
    "1 %, jitter 30": {"loss": 0.01, "jitter_s": 0.030},
    "5 %": {"loss": 0.05},
    "5 %, jitter 30": {"loss": 0.05, "jitter_s": 0.030},
    "10 %, jitter 30": {"loss": 0.10, "jitter_s": 0.030},
    "20 %, jitter 30": {"loss": 0.20, "jitter_s": 0.030},
    "burst 3, 5.5 %": {"loss": 0.055, "burst": 3},
    "burst 3, 10 %, jitter 30": {"loss": 0.10, "burst": 3, "jitter_s": 0.030},
    "Wi-Fi (2 ms, 0.4 % stalls)": {"jitter_s": 0.002, "stalls": 0.004},
    "Wi-Fi + 1 %": {"jitter_s": 0.002, "stalls": 0.004, "loss": 0.01},
    "burst 3, 4.3 %, sent again, RTT 40": {"loss": 0.043, "burst": 3, "rtt_s": 0.040},
    "burst 3, 4.3 %, sent again, RTT 100": {"loss": 0.043, "burst": 3, "rtt_s": 0.100},
    "20 %, sent again, RTT 5": {"loss": 0.20, "rtt_s": 0.005},
    "20 %, jitter 30, sent again, RTT 40": {"loss": 0.20, "jitter_s": 0.030, "rtt_s": 0.040},
}


def playout() -> Playout:
    """As the box has it, with the least delay that the settings allow."""
    return Playout(decoder=OpusDecoder(), resampler=SoxrResampler())


@dataclass(kw_only=True)
class Recorded(Network):
    """Keeps what arrived."""

    arrivals: list[Arrival] = field(default_factory=list, init=False)

    def until(self, now_s: float) -> Iterator[Arrival]:
        for arrival in super().until(now_s):
            self.arrivals.append(arrival)
            yield arrival


def aiortc(network: Recorded) -> tuple[float, float, float]:
    """What its jitter buffer does with the same arrivals: missing %, and the delay's median and 95th percentile."""
    buffer = JitterBuffer(capacity=16, prefetch=4)
    delays: dict[int, float] = {}
    for arrival_s, frame in network.arrivals:
        packet = RtpPacket(sequence_number=frame.sequence, timestamp=frame.timestamp)
        packet._data = frame.payload  # type: ignore[attr-defined]
        _, released = buffer.add(packet)
        if released is not None:
            number = ((released.timestamp - network.timestamp) & 0xFFFFFFFF) // FRAME_SAMPLES
            delays[number] = (arrival_s - number * FRAME_S - network.route_s(arrival_s)) * 1000
    median, p95 = np.quantile(list(delays.values()), [0.5, 0.95])
    return 100 * (1 - len(delays) / network.sent), median, p95


def loss(minutes: float) -> None:
    """5.1."""
    print(
        f"{minutes:g} min each; concealed and from the copy in % of the packets; delay p50 / p95 after {SETTLING_S:g} s"
    )
    print(f"{'network':36} {'aiortc missing':>15} {'delay':>10} {'concealed':>10} {'copy':>6} {'delay':>10}")
    for name, row in ROWS.items():
        network, ours = Recorded(payloads=speech(), **row), playout()
        heard = hear(ours, network, until_s=60 * minutes)
        missing, *theirs = aiortc(network)
        median, p95 = heard.quantiles(0.5, 0.95, after_s=SETTLING_S)
        concealed, copied = (100 * count / network.sent for count in (ours.stats.concealed, ours.stats.fec))
        print(
            f"{name:36} {missing:15.2f} {theirs[0]:4.0f} / {theirs[1]:3.0f}"
            f" {concealed:10.2f} {copied:6.2f} {median:4.0f} / {p95:3.0f}",
            flush=True,
        )


def hours_of(ours: Playout, network: Network, hours: int, **card: Any) -> Iterator[str]:
    """One line for each hour."""
    for hour in range(1, hours + 1):
        before, sent, began_s = replace(ours.stats), network.sent, time.thread_time()
        heard = hear(ours, network, until_s=3600 * hour, **card)
        took_s, stats = time.thread_time() - began_s, since(ours.stats, before)
        least, median, most = heard.quantiles(0.01, 0.5, 0.99)
        yield (
            f"{hour:4d} {stats.removed:8d} {stats.inserted:8d} {stats.concealed * 20:9d}"
            f" {100 * stats.concealed / (network.sent - sent):5.2f} {stats.silence_samples / 48:8.0f}"
            f" {least:6.1f} / {median:5.1f} / {most:5.1f} {ours.drift_ppm:6.0f} {heard.most_held:4d} {took_s:5.0f}"
        )


HOURS = (
    f"{'hour':>4} {'removed':>8} {'inserted':>8} {'concealed':>9} {'%':>5} {'sil. ms':>8}"
    f" {'p1 / p50 / p99':>21} {'ppm':>6} {'held':>4} {'CPU s':>5}"
)


def since(now: PlayoutStats, before: PlayoutStats) -> PlayoutStats:
    """What was counted in between."""
    return PlayoutStats(*(getattr(now, name) - getattr(before, name) for name in PlayoutStats.__slots__))


def drift(hours: int, card_ppm: float) -> None:
    """5.3: a steady error, jitter 30, no pauses to hide in."""
    print(f"card {card_ppm:+g} ppm, jitter 30\n{HOURS}", flush=True)
    network = Network(payloads=speech(), jitter_s=0.030)
    for line in hours_of(playout(), network, hours, card_ppm=lambda now_s: card_ppm):
        print(line, flush=True)


def soaked(hours: int) -> None:
    """The soak of 5.3."""
    print(f"soak: 100 ppm wandering, jitter 40, 0.2 % stalls, a route each half hour, an outage each hour\n{HOURS}")
    for line in hours_of(playout(), soak(hours=hours, payloads=speech()), hours, card_ppm=wandering):
        print(line, flush=True)


def stalls() -> None:
    """5.4."""
    print("stall at 60 s; delay before, and 0.2 / 1 / 10 s after its end; thrown away")
    for lost in (False, True):
        for length_s in (0.2, 0.5, 1.0, 2.0, 5.0):
            network = Network(payloads=speech(), outages=[Outage(60.0, length_s, lost)])
            ours, end_s = playout(), 60.0 + length_s
            before = hear(ours, network, until_s=60.0).quantiles(0.5, after_s=30)[0]
            after = hear(ours, network, until_s=end_s + 11).delays_ms
            found = [
                np.nanmedian(after[at : at + 10]) for at in (round(100 * (length_s + s)) for s in (0.2, 1.0, 10.0))
            ]
            fate = "lost" if lost else "late"
            shown = " / ".join(f"{value:4.0f}" for value in found)
            print(f"{length_s:3.1f} s {fate} {before:5.0f} {shown} {ours.stats.dropped * FRAME_S:6.2f} s", flush=True)


def cpu() -> None:
    """T10: at most 400 ms a minute."""
    for name in ("clean", "5 %, jitter 30"):
        taken = []
        for seed in range(5):
            network, ours = Network(payloads=speech(), seed=seed, **ROWS[name]), playout()
            began_s = time.thread_time()
            hear(ours, network, until_s=60)
            taken.append((time.thread_time() - began_s) * 1000)
        print(f"CPU {name}: {statistics.median(taken):.0f} ms a minute ({min(taken):.0f}-{max(taken):.0f}), all told")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default="loss,drift,soak,stalls,cpu")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--hours", type=int, default=1)
    parser.add_argument("--ppm", default="100,-100,300,-300")
    arguments = parser.parse_args()
    tables = {
        "loss": lambda: loss(arguments.minutes),
        "drift": lambda: [drift(arguments.hours, float(ppm)) for ppm in arguments.ppm.split(",")],
        "soak": lambda: soaked(arguments.hours),
        "stalls": stalls,
        "cpu": cpu,
    }
    for name in arguments.tables.split(","):
        tables[name]()
        print()


if __name__ == "__main__":
    main()
