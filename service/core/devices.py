"""Names of sound devices: one grammar for settings, command line and messages."""

from __future__ import annotations

import re
from dataclasses import dataclass

GRAMMAR = "alsa:card=ID, alsa:usb=PATH, alsa:pcm=NAME or wav:PATH"

_VALUES = {
    "card": re.compile(r"[A-Za-z0-9_-]{1,15}"),  # the kernel cuts a card's ID at 15 characters
    "usb": re.compile(r"[0-9]+-[0-9]+(\.[0-9]+)*"),  # as under /sys/bus/usb/devices: bus, then port by port
    "pcm": re.compile(r"\S+"),
}
_EXAMPLES = {"card": "alsa:card=Device", "usb": "alsa:usb=1-1.2", "pcm": "alsa:pcm=default"}
_NUMBERED = re.compile(r"(plug)?hw:(CARD=)?\d+\b.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DeviceUri:
    """One device by a name that stays. `kind` is "card", "usb", "pcm" or "wav"; `str` gives the text back."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"wav:{self.value}" if self.kind == "wav" else f"alsa:{self.kind}={self.value}"


class NumberedDevice(ValueError):
    """The text counts cards instead of naming one."""


def parse_device(text: str) -> DeviceUri:
    """The device that `text` names; whether it exists is another question.

    Raises ValueError with one sentence that says what to write instead, NumberedDevice for "hw:0" and its like.
    """
    if not text.isprintable():
        raise ValueError(f"a device's name has no line breaks or control characters; write {GRAMMAR}")
    scheme, _, rest = text.partition(":")
    if scheme == "wav":
        if not rest:
            raise ValueError('"wav:" has no path; write for example wav:/var/lib/boothd/speech.wav')
        return DeviceUri("wav", rest)
    if scheme == "alsa":
        kind, _, value = rest.partition("=")
        if kind in _VALUES:
            return _alsa(kind, value)
    _refuse_number(text.removeprefix("alsa:"), text)
    raise ValueError(f'"{text}" names no device; write {GRAMMAR}')


def _alsa(kind: str, value: str) -> DeviceUri:
    text = f"alsa:{kind}={value}"
    _refuse_number(value, text)
    if kind == "card" and value.isdigit():
        raise NumberedDevice(_number(text))
    if not _VALUES[kind].fullmatch(value):
        raise ValueError(f'"{text}" is not a {kind} name; write for example {_EXAMPLES[kind]}')
    return DeviceUri(kind, value)


def _refuse_number(name: str, text: str) -> None:
    if _NUMBERED.fullmatch(name):
        raise NumberedDevice(_number(text))


def _number(text: str) -> str:
    return (
        f'"{text}" counts cards, and the count can change at the next start; write alsa:card=ID, '
        "with the ID that stands in brackets in /proc/asound/cards"
    )
