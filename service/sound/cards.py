"""Which card a name means now (audio-path 1.6): numbers change with the order of plugging, these names do not."""

from __future__ import annotations

import re
from pathlib import Path

from service.core.devices import DeviceUri

SYSFS = Path("/sys/class/sound")
_USB = re.compile(r"(\d+-\d+(?:\.\d+)*):")  # 1-1.3:1.0


def pcm_name(uri: DeviceUri, *, sysfs: Path = SYSFS) -> str | None:
    """What ALSA is to open for this URI; None when no card stands at the USB path."""
    if uri.kind == "pcm":
        return uri.value
    if uri.kind == "card":
        return f"hw:CARD={uri.value}"
    for number in card_numbers(sysfs):
        card = sysfs / f"card{number}"
        if usb_path(card) == uri.value and (name := card_id(card)) is not None:
            return f"hw:CARD={name}"
    return None


def stable_name(number: str, *, sysfs: Path = SYSFS) -> str | None:
    """The URI of the card that `hw:N` means today, for the message that refuses it."""
    match = re.search(r"\d+", number)
    name = card_id(sysfs / f"card{match[0]}") if match else None
    return None if name is None else f"alsa:card={name}"


def card_numbers(sysfs: Path) -> list[int]:
    """What the kernel calls the cards that are there now."""
    return sorted(int(card.name.removeprefix("card")) for card in sysfs.glob("card[0-9]*"))


def card_id(card: Path) -> str | None:
    """The card's ID."""
    try:
        return (card / "id").read_text().strip()
    except OSError:  # unplugged while we look
        return None


def usb_path(card: Path) -> str | None:
    """The USB port that it is plugged into, if any."""
    match = _USB.match((card / "device").resolve().name)
    return match[1] if match else None
