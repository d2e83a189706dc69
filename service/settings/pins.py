"""Where lamps and buttons are connected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, Strict, model_validator
from pydantic_core import PydanticKnownError

from service.core.gpio_lines import GpioLine, Place
from service.settings import values
from service.settings.clashes import Clash, refuse
from service.settings.section import Section, Text


class Pin(Section):
    """Where something is connected, an inline table in the file: a pin of a Raspberry Pi's 40-pin header by its GPIO
    (BCM) number, or any board's line by its name, or by its number on a chip."""

    pin: int | None = Field(default=None, ge=0, le=27)
    line: Annotated[str | int, BeforeValidator(values.gpio_line)] | None = None
    chip: Text | None = None

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if self.pin is None and self.line is None:
            raise PydanticKnownError("missing")
        refuse(self._clashes())
        return self

    def _clashes(self) -> Iterator[Clash]:
        if self.pin is not None and self.line is not None:
            yield Clash((), "has a pin and a line; keep the one that is meant")
        if self.chip is not None and self.line is None:
            yield Clash(("chip",), "is for a line; take it away")
        if isinstance(self.line, int) and self.chip is None:
            text = 'is a number and needs its chip, as in { line = 7, chip = "1c20800.pinctrl" }'
            yield Clash(("line",), text)

    @property
    def place(self) -> Place:
        """The same as the core's word."""
        if self.line is not None:
            return GpioLine(self.line, self.chip)
        assert self.pin is not None
        return self.pin


class LampPin(Pin):
    active_high: bool = True


class Lamps(Section):
    link: LampPin | None = None
    live: LampPin | None = None
    alert: LampPin | None = None
    languages: Annotated[tuple[LampPin, ...], Strict(False)] = ()


class Buttons(Section):
    lang: Pin | None = None
    live: Pin | None = None
    mute: Pin | None = None


def clashes(sections: Iterable[tuple[str, Lamps | Buttons]]) -> Iterator[Clash]:
    """Each use of a place that is used before; `at` begins below the section."""
    taken: dict[Place, str] = {}
    for key, pin in (each for name, section in sections for each in _pins(name, section)):
        word = "pin" if pin.line is None else "line"
        if pin.place in taken:
            text = f"{word} {getattr(pin, word)} is already {taken[pin.place]}; give each its own {word}"
            yield Clash((*key[1:], word), text)
        taken.setdefault(pin.place, ".".join(map(str, key)))


def _pins(name: str, section: Lamps | Buttons) -> Iterator[tuple[tuple[str | int, ...], Pin]]:
    for key, value in section:
        if isinstance(value, Pin):
            yield (name, key), value
        elif isinstance(value, tuple):
            yield from (((name, key, index), pin) for index, pin in enumerate(value))
