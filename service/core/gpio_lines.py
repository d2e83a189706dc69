"""Where a button or a lamp is connected: a pin of a Raspberry Pi by its number, or any board's line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GpioLine:
    """A line of a gpiochip: by its name, on whatever chip it is or on one, or by its number on one. A chip is named by
    its label or as in "gpiochip1"."""

    line: str | int
    chip: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}" if self.chip is None else f"line {self.line} of {self.chip}"


Place = int | GpioLine  # an int is a GPIO (BCM) number


def name_of(place: Place) -> str:
    """For messages."""
    return f"GPIO {place}" if isinstance(place, int) else str(place)


def as_json(place: Place) -> dict[str, Any]:
    """The same keys as in a settings file."""
    return {"pin": place} if isinstance(place, int) else {"line": place.line, "chip": place.chip}


def from_json(kept: object) -> Place:
    """What `as_json` gave; raises ValueError on anything else."""
    known = kept if isinstance(kept, dict) else {}
    pin, line, chip = known.get("pin"), known.get("line"), known.get("chip")
    if type(pin) is int:
        return pin
    if isinstance(chip, str | None) and (isinstance(line, str) or (type(line) is int and chip is not None)):
        return GpioLine(line, chip)
    raise ValueError(f"{kept!r} is no place of a lamp")
