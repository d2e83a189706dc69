"""Which card a name means now (audio-path 1.6): numbers change with the order of plugging, these names do not."""

from __future__ import annotations

import re
from pathlib import Path

from service.core.devices import DeviceUri

SYSFS = Path("/sys/class/sound")


def pcm_name(uri: DeviceUri, *, sysfs: Path = SYSFS) -> str | None:
    """What ALSA is to open for this URI; None when no card stands at the USB path."""
    if uri.kind == "pcm":
        return uri.value
    if uri.kind == "card":
        return f"hw:CARD={uri.value}"
    for card in sorted(sysfs.glob("card[0-9]*")):
        path = (card / "device").resolve().name  # 1-1.3:1.0
        if path.split(":")[0] == uri.value and (name := _id(card)) is not None:
            return f"hw:CARD={name}"
    return None


def stable_name(number: str, *, sysfs: Path = SYSFS) -> str | None:
    """The URI of the card that `hw:N` means today, for the message that refuses it."""
    match = re.search(r"\d+", number)
    name = _id(sysfs / f"card{match[0]}") if match else None
    return None if name is None else f"alsa:card={name}"


def _id(card: Path) -> str | None:
    try:
        return (card / "id").read_text().strip()
    except OSError:  # unplugged while we look
        return None
