"""What a device can do, found out by opening it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import alsaaudio

from service.core.audio import RATE_HZ
from service.core.devices import DeviceUri, parse_device
from service.sound.cards import pcm_name
from service.sound.mixer import read_controls

Way = Literal["input", "output"]

ANSWER_S = 5.0  # a card that hangs does not answer at all
CHANNELS = (1, 2, 4, 6, 8)
_PCM: dict[Way, int] = {"input": alsaaudio.PCM_CAPTURE, "output": alsaaudio.PCM_PLAYBACK}


@dataclass(frozen=True, slots=True)
class Ability:
    """One direction of a device. Without a `problem` it can be opened now."""

    rates_hz: Sequence[int] = ()
    every_rate_between: bool = False  # then `rates_hz` are the least and the most
    channels: Sequence[int] = ()
    s16: bool = False
    problem: str | None = None

    @property
    def fits(self) -> bool:
        """Whether it gives what the road of sound needs without ALSA's conversions."""
        rates = range(self.rates_hz[0], self.rates_hz[-1] + 1) if self.every_rate_between else self.rates_hz
        return self.s16 and RATE_HZ in rates and not {1, 2}.isdisjoint(self.channels)


@dataclass(frozen=True, slots=True)
class Look:
    """What was asked about a device, and the controls of both sides of its mixer, see mixer.read_controls."""

    ways: dict[Way, Ability]
    mixer: dict[str, dict[str, str]]


def look(uri: DeviceUri, ways: Sequence[Way]) -> Look:
    """Open it each way, look, close it; whoever has it open keeps it.

    In a process of its own: pyalsaaudio holds the interpreter while it opens, so that a card that hangs would hold all.
    """
    command = [sys.executable, "-m", "service.sound.abilities", str(uri), *ways]
    try:
        told = subprocess.run(command, capture_output=True, timeout=ANSWER_S, check=True)
    except subprocess.TimeoutExpired:
        problem = "it does not answer"
    except subprocess.CalledProcessError as crash:
        problem = f"it cannot be asked (exit status {crash.returncode})"
    else:
        found = json.loads(told.stdout)
        return Look({way: Ability(**found["ways"][way]) for way in ways}, found["mixer"])
    return Look({way: Ability(problem=problem) for way in ways}, {"input": {}, "output": {}})


def _look(uri: DeviceUri, ways: Sequence[Way]) -> Look:
    return Look({way: _ask(uri, way) for way in ways}, read_controls(pcm_name(uri) or ""))


def _ask(uri: DeviceUri, way: Way) -> Ability:
    name = pcm_name(uri)
    if name is None:
        return Ability(problem="no sound card at this USB path")
    try:
        with _opened(name, way, channels=2) as pcm:
            rates, formats = pcm.getrates(), pcm.getformats()
        return Ability(
            rates_hz=(rates,) if isinstance(rates, int) else tuple(rates),
            every_rate_between=isinstance(rates, tuple),
            channels=tuple(channels for channels in CHANNELS if _takes(name, way, channels)),
            s16="S16_LE" in formats,
        )
    except alsaaudio.ALSAAudioError as problem:
        return Ability(problem=str(problem).removesuffix(f" [{name}]"))


def _takes(name: str, way: Way, channels: int) -> bool:
    """Asked by opening: `getchannels` counts up to four thousand million on a device without a bound."""
    with _opened(name, way, channels) as pcm:
        return bool(pcm.info()["channels"] == channels)


@contextlib.contextmanager
def _opened(name: str, way: Way, channels: int) -> Iterator[Any]:
    pcm = alsaaudio.PCM(_PCM[way], mode=alsaaudio.PCM_NONBLOCK, device=name, rate=RATE_HZ, channels=channels)
    try:
        yield pcm
    finally:
        for stop in (pcm.drop, pcm.close):  # `close` alone drains
            with contextlib.suppress(alsaaudio.ALSAAudioError):
                stop()


if __name__ == "__main__":
    asked_ways = [way for way in _PCM if way in sys.argv[2:]]
    json.dump(asdict(_look(parse_device(sys.argv[1]), asked_ways)), sys.stdout)
