"""What a device can do, found out by opening it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import alsaaudio

from service.core.audio import RATE_HZ
from service.core.devices import DeviceUri
from service.sound import alsa
from service.sound.cards import pcm_name
from service.sound.libasound import knock
from service.sound.mixer import read_controls

Way = Literal["input", "output"]

ANSWER_S = 3.0  # a card that hangs does not answer at all
CHANNELS = (1, 2, 4, 6, 8)
_PCM: dict[Way, int] = {"input": alsaaudio.PCM_CAPTURE, "output": alsaaudio.PCM_PLAYBACK}


@dataclass(frozen=True, slots=True)
class Ability:
    """One direction of a device. Without a `problem` it can be opened now."""

    rates_hz: tuple[int, ...] = ()
    every_rate_between: bool = False  # then `rates_hz` are the least and the most
    channels: tuple[int, ...] = ()
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
    """Open it each way, look, close it; whoever has it open keeps it. One that hangs has said nothing in the end."""
    found: list[Look] = []
    asking = threading.Thread(target=lambda: found.append(_look(uri, ways)), daemon=True)
    asking.start()
    asking.join(ANSWER_S)
    silence = Ability(problem="it does not answer")
    return found[0] if found else Look(dict.fromkeys(ways, silence), {"input": {}, "output": {}})


def _look(uri: DeviceUri, ways: Sequence[Way]) -> Look:
    name = pcm_name(uri)
    if name is None:
        missing = Ability(problem="no sound card at this USB path")
        return Look(dict.fromkeys(ways, missing), {"input": {}, "output": {}})
    return Look({way: _ask(name, way) for way in ways}, read_controls(name))


def _ask(name: str, way: Way) -> Ability:
    knock(name, _PCM[way])
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
        alsa.close(pcm)
