"""Every device that ALSA knows on this machine, by the names that the settings take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alsaaudio

from service.core.devices import DeviceUri
from service.sound.cards import SYSFS, card_id, card_numbers, usb_path

LONG_NAMES = Path("/proc/asound/cards")
_NUMBER_AND_NAME = re.compile(r"\s*(\d+) \[.*?\]: .*? - (.*)")
# What ALSA brings along: conversions and bridges, which are no place that sound comes from or goes to.
_ALSAS_OWN = {"null", "lavrate", "samplerate", "speexrate", "jack", "oss", "pulse", "speex", "upmix", "vdownmix"}


@dataclass(frozen=True, slots=True)
class Found:
    """A card that is plugged in, or what the ALSA configuration adds; of the latter only opening shows its ways."""

    name: str  # as its driver calls it
    uris: tuple[DeviceUri, ...]  # every name that stays its own
    captures: bool | None = None
    plays: bool | None = None

    def is_meant_by(self, uri: DeviceUri) -> bool:
        """Whether settings that say so mean this one; a name of ALSA's may well mean a card."""
        card = self.uris[0]
        within = rf"\bCARD={re.escape(card.value)}(?![\w-])"
        return uri in self.uris or (card.kind, uri.kind) == ("card", "pcm") and bool(re.search(within, uri.value))


def cards(*, sysfs: Path = SYSFS, long_names: Path = LONG_NAMES) -> list[Found]:
    """Those that are there now, in the kernel's order. Twins have IDs by the order of plugging: their ports tell them
    apart."""
    names = _long_names(long_names)
    found = []
    for number in card_numbers(sysfs):
        card = sysfs / f"card{number}"
        if (own := card_id(card)) is not None:
            port = usb_path(card)
            uris = (DeviceUri("card", own), *(() if port is None else (DeviceUri("usb", port),)))
            captures, plays = (any(sysfs.glob(f"pcmC{number}D*{way}")) for way in "cp")
            found.append(Found(names.get(number, own), uris, captures, plays))
    return found


def pcms() -> list[Found]:
    """What the ALSA configuration of this machine adds to its cards."""
    own = [name for name in alsaaudio.pcms() if name not in _ALSAS_OWN and ":" not in name]
    return [Found(f'"{name}" of the ALSA configuration', (DeviceUri("pcm", name),)) for name in own]


def listing(uses: Iterable[tuple[DeviceUri, dict[str, Any]]]) -> list[dict[str, Any]]:
    """All of them as JSON data, each with what is said of those uses that mean it."""
    named = list(uses)
    return [
        {
            "name": found.name,
            "devices": [str(uri) for uri in found.uris],
            "captures": found.captures,
            "plays": found.plays,
            "uses": [use for uri, use in named if found.is_meant_by(uri)],
        }
        for found in (*cards(), *pcms())
    ]


def _long_names(path: Path) -> dict[int, str]:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # a kernel without sound
        return {}
    return {int(match[1]): match[2] for match in map(_NUMBER_AND_NAME.match, lines) if match}
