"""Buttons and lamps on lines of gpiochips, by lgpio itself: for boards that gpiozero does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from service.core.errors import PinsUnusable
from service.core.gpio_lines import GpioLine

IN_USE = 1  # of a line's flags: somebody has it, be it a program or a driver of the kernel
WATCHED = 256  # lgpio tells of edges with the line's number in one byte
NO_INTERRUPTS = "bad event request"  # lgpio's words


class ChipLines:
    """Every gpiochip there is, opened at once. Methods raise PinsUnusable with the remedy, the constructor whatever
    error of lgpio's came of the last chip when none could be opened.

    Closing takes lgpio 0.1 s a chip.
    """

    def __init__(self, lgpio: Any, *, dev: Path) -> None:
        self._lgpio = lgpio
        self._chips: list[_Chip] = []
        self._locked: list[str] = []
        self._taken: set[tuple[int, int]] = set()
        failure: Exception | None = None
        for number in _numbers(dev):
            try:
                self._chips.append(_open(lgpio, number))
            except lgpio.error as problem:
                self._locked.append(f"gpiochip{number}")
                failure = problem
        if not self._chips:
            raise failure or lgpio.error("no gpiochip")

    def button(self, line: GpioLine, *, glitch_s: float) -> LineButton:
        """A button between this line and ground."""
        with self._claiming(line) as (chip, number):
            if number >= WATCHED:
                raise PinsUnusable(f"{line} cannot be a button: lgpio watches no line above 255, it is {number}")
            return LineButton(self._lgpio, chip.handle, number, glitch_s=glitch_s)

    def led(self, line: GpioLine, *, active_high: bool) -> LineLed:
        """A lamp on this line, dark from the first moment on."""
        with self._claiming(line) as (chip, number):
            return LineLed(self._lgpio, chip.handle, number, active_high=active_high)

    def close(self) -> None:
        """Let go of everything."""
        while self._chips:
            self._lgpio.gpiochip_close(self._chips.pop().handle)

    @contextmanager
    def _claiming(self, line: GpioLine) -> Iterator[tuple[_Chip, int]]:
        chip, number = self._find(line)
        if (chip.number, number) in self._taken:  # lgpio would take it away from where it is used
            raise PinsUnusable(f"{line} cannot be used twice: give each lamp and each button its own line")
        try:
            yield chip, number
        except self._lgpio.error as problem:
            reason = self._reason(chip, number, problem)
            _free(self._lgpio, chip.handle, number)
            raise PinsUnusable(f"{line} cannot be used: {reason}") from problem
        self._taken.add((chip.number, number))

    def _reason(self, chip: _Chip, number: int, problem: Exception) -> str:
        _, _, flags, _, user = self._lgpio.gpio_get_line_info(chip.handle, number)
        if flags & IN_USE:
            return f"{user or 'a driver'} has it ({problem}); end that or configure another line"
        if NO_INTERRUPTS in str(problem):
            return f"its chip does not tell of changes ({problem}); take a line of the board itself for a button"
        return f"{problem}; configure another line"

    def _find(self, line: GpioLine) -> tuple[_Chip, int]:
        chips = self._chips if line.chip is None else [self._chip(line.chip)]
        if isinstance(line.line, int):
            (chip,) = chips
            if line.line >= len(chip.lines):
                raise PinsUnusable(f"{line} does not exist: its lines are 0 to {len(chip.lines) - 1}")
            return chip, line.line
        found = [(chip, number) for chip in chips for number, name in enumerate(chip.lines) if name == line.line]
        if not found:
            raise PinsUnusable(f"{line} does not exist{self._near(line.line, chips)}; `gpioinfo` shows the lines")
        if len(found) > 1:
            places = " or ".join(f'{{ line = {number}, chip = "{self._called(chip)}" }}' for chip, number in found)
            raise PinsUnusable(f"{line} exists {len(found)} times; write {places}")
        return found[0]

    def _chip(self, name: str) -> _Chip:
        found = [chip for chip in self._chips if name in (chip.label, chip.name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise PinsUnusable(
                f'several gpiochips are called "{name}"; write {" or ".join(chip.name for chip in found)}'
            )
        known = ", ".join(self._called(chip) for chip in self._chips)
        raise PinsUnusable(f'no gpiochip is called "{name}"; there are {known}{self._unseen()}')

    def _called(self, chip: _Chip) -> str:
        """Its label, which stays the same when chips are counted anew, if it is the only one of that label."""
        labels = [other.label for other in self._chips]
        return chip.label if chip.label and labels.count(chip.label) == 1 else chip.name

    def _near(self, name: str, chips: list[_Chip]) -> str:
        known = {line.lower(): line for chip in chips for line in chip.lines if line}
        near = [known[match] for match in get_close_matches(name.lower(), known)]
        return (f", did you mean {' or '.join(near)}?" if near else "") + self._unseen()

    def _unseen(self) -> str:
        return f" ({', '.join(self._locked)} cannot be opened: is the user in the group gpio?)" if self._locked else ""


class LineButton:
    """What a gpiozero.Button is to `Buttons`. Presses come in lgpio's thread, and each once."""

    def __init__(self, lgpio: Any, handle: int, number: int, *, glitch_s: float) -> None:
        self.when_pressed: Callable[[], None] | None = None
        self.when_released: Callable[[], None] | None = None
        self._lgpio, self._handle, self._number = lgpio, handle, number
        lgpio.gpio_claim_input(handle, number, lgpio.SET_PULL_UP)
        lgpio.gpio_set_debounce_micros(handle, number, round(glitch_s * 1e6))
        lgpio.gpio_claim_alert(handle, number, lgpio.BOTH_EDGES, lgpio.SET_PULL_UP)
        self._pressed: bool = lgpio.gpio_read(handle, number) == 0
        self._callback = lgpio.callback(handle, number, lgpio.BOTH_EDGES, self._edge)

    @property
    def is_pressed(self) -> bool:
        """As of the last edge."""
        return self._pressed

    def close(self) -> None:
        """No press after this. May be called twice."""
        self._callback.cancel()
        _free(self._lgpio, self._handle, self._number)

    def _edge(self, chip: int, number: int, level: int, at_ns: int) -> None:
        pressed = level == 0
        if pressed == self._pressed:
            return  # a glitch that was filtered out leaves an edge back to what was
        self._pressed = pressed
        told = self.when_pressed if pressed else self.when_released
        if told is not None:
            told()


class LineLed:
    """What a gpiozero.LED is to `Lamps`."""

    def __init__(self, lgpio: Any, handle: int, number: int, *, active_high: bool) -> None:
        self._lgpio, self._handle, self._number, self._active_high = lgpio, handle, number, active_high
        lgpio.gpio_claim_output(handle, number, int(not active_high))

    @property
    def is_lit(self) -> bool:
        """As the line says."""
        level: int = self._lgpio.gpio_read(self._handle, self._number)
        return level == int(self._active_high)

    def on(self) -> None:
        """Light it."""
        self._lgpio.gpio_write(self._handle, self._number, int(self._active_high))

    def off(self) -> None:
        """Put it out."""
        self._lgpio.gpio_write(self._handle, self._number, int(not self._active_high))

    def close(self) -> None:
        """Let go of the line. May be called twice."""
        _free(self._lgpio, self._handle, self._number)


@dataclass(frozen=True, slots=True)
class _Chip:
    number: int
    handle: int
    name: str
    label: str
    lines: tuple[str, ...]  # their names; "" for one that has none


def _open(lgpio: Any, number: int) -> _Chip:
    handle = lgpio.gpiochip_open(number)
    _, count, name, label = lgpio.gpio_get_chip_info(handle)
    return _Chip(number, handle, name, label, tuple(lgpio.gpio_get_line_info(handle, at)[3] for at in range(count)))


def _free(lgpio: Any, handle: int, number: int) -> None:
    """lgpio makes an error of freeing what is free; a device may be closed twice."""
    with suppress(lgpio.error):
        lgpio.gpio_free(handle, number)


def _numbers(dev: Path) -> list[int]:
    """Of the chips. Links are second names of them: a Raspberry Pi 5 has its gpiochip0 as gpiochip4, too."""
    names = [path.name.removeprefix("gpiochip") for path in dev.glob("gpiochip*") if not path.is_symlink()]
    return sorted(int(name) for name in names if name.isdecimal())
