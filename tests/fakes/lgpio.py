"""lgpio as its source (0.2.2.0) behaves, on chips and lines that a test makes up; `Board.module` is what is imported.

Handles carry their chip's number; a claim takes a line away from whoever has it on the same handle, and is refused to
anybody else; edges are told in a thread of the library's, with the line's number in one byte, and only after they were
stable for as long as the debounce asks.
"""

from __future__ import annotations

import threading
import types
from dataclasses import dataclass, field

USED, OUTPUT, PULL_UP, PULL_NONE, INPUT = 1, 2, 32, 128, 1 << 16


class LgpioError(Exception):
    """As lgpio.error: a bare Exception that shows its text in quotes."""

    def __init__(self, value):
        self.value = value

    def __str__(self):
        return repr(self.value)


@dataclass
class Line:
    name: str = ""
    user: str = ""  # who has it
    level: int = 1
    flags: int = 0
    owner: int | None = None  # the handle
    interrupts: bool = True
    bias: int = 0
    debounce_s: float = 0.0
    alert: bool = False
    raw: tuple[float, int] | None = None  # an edge that is not stable yet
    told: int = -1

    @property
    def used(self):
        return self.owner is not None or bool(self.user)


@dataclass
class Chip:
    label: str
    lines: list[Line]
    openable: bool = True


@dataclass
class Board:
    """Chips by number. `drive` is a finger; time passes by `wait`."""

    dev: object  # a folder in the place of /dev
    chips: dict[int, Chip] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)  # handle: chip
    callbacks: list[tuple[int, int, object]] = field(default_factory=list)
    now_s: float = 50.0

    def chip(self, number: int, label: str, *lines: str, openable: bool = True) -> Chip:
        (self.dev / f"gpiochip{number}").touch()
        self.chips[number] = Chip(label, [Line(name) for name in lines], openable)
        return self.chips[number]

    def line(self, name: str) -> Line:
        (line,) = (line for chip in self.chips.values() for line in chip.lines if line.name == name)
        return line

    def drive(self, name: str, level: int) -> None:
        """Whoever stands before the box."""
        line = self.line(name)
        if level == line.level:
            return
        line.level = level
        if line.alert:
            self._due(line)
            line.raw = (self.now_s, level)
            self._due(line)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        for chip in self.chips.values():
            for line in chip.lines:
                self._due(line)

    def _due(self, line: Line) -> None:
        if line.raw is None or (line.debounce_s and self.now_s - line.raw[0] <= line.debounce_s):
            return
        _, level = line.raw
        if not line.debounce_s or level != line.told:
            line.told = level
            self._tell(line, level)
        line.raw = None

    def _tell(self, line: Line, level: int) -> None:
        ((number, offset),) = (
            (number, offset)
            for number, chip in self.chips.items()
            for offset, other in enumerate(chip.lines)
            if other is line
        )

        def run():
            for chip, at, func in list(self.callbacks):
                if (chip, at) == (number, offset & 0xFF):
                    func(chip, at, level, int(self.now_s * 1e9))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    # -- the module

    @property
    def module(self) -> types.ModuleType:
        module = types.ModuleType("lgpio")
        module.error = LgpioError
        module.RISING_EDGE, module.FALLING_EDGE, module.BOTH_EDGES = 1, 2, 3
        module.SET_PULL_UP, module.SET_PULL_DOWN, module.SET_PULL_NONE = PULL_UP, 64, PULL_NONE
        for name in dir(self):
            if name.startswith(("gpio", "callback")) and name != "callbacks":
                setattr(module, name, getattr(self, name))
        return module

    def gpiochip_open(self, gpiochip):
        number = gpiochip
        link = self.dev / f"gpiochip{gpiochip}"
        if link.is_symlink():
            number = int(link.readlink().name.removeprefix("gpiochip"))
        if number not in self.chips or not self.chips[number].openable:
            raise LgpioError("can not open gpiochip")
        handle = len(self.opened) | gpiochip << 16
        self.opened[handle] = number
        return handle

    def gpiochip_close(self, handle):
        for line in self._chip(handle).lines:
            if line.owner == handle:
                self._free(line)
        self.opened[handle] = -1
        return 0

    def gpio_get_chip_info(self, handle):
        chip = self._chip(handle)
        return [0, len(chip.lines), f"gpiochip{self.opened[handle]}", chip.label]

    def gpio_get_line_info(self, handle, gpio):
        line = self._line(handle, gpio)
        user = line.user or ("lg" if line.used else "")
        return [0, gpio, line.flags | line.bias | (USED if line.used else 0), line.name, user]

    def gpio_get_mode(self, handle, gpio):
        return self.gpio_get_line_info(handle, gpio)[2]

    def gpio_claim_input(self, handle, gpio, lFlags=0):  # noqa: N803 - theirs
        line = self._line(handle, gpio)
        if line.owner == handle and line.flags & INPUT and not line.alert:
            return 0  # nothing to do, and so the bias stays what it is
        self._claim(handle, line, INPUT, lFlags)
        return 0

    def gpio_claim_output(self, handle, gpio, level=0, lFlags=0):  # noqa: N803
        line = self._line(handle, gpio)
        if not (line.owner == handle and line.flags & OUTPUT):
            self._claim(handle, line, OUTPUT, lFlags)
            line.level = int(bool(level))
        return 0

    def gpio_claim_alert(self, handle, gpio, eFlags, lFlags=0, notify_handle=None):  # noqa: N803
        line = self._line(handle, gpio)
        if line.owner == handle:
            self._free(line)
        if line.used or not line.interrupts:
            raise LgpioError("bad event request")
        self._claim(handle, line, INPUT, lFlags)
        line.alert, line.raw, line.told = True, None, -1
        return 0

    def gpio_free(self, handle, gpio):
        line = self._line(handle, gpio)
        if line.owner != handle:
            raise LgpioError("GPIO not allocated")
        self._free(line)
        return 0

    def gpio_read(self, handle, gpio):
        line = self._line(handle, gpio)
        if line.owner != handle:
            self.gpio_claim_input(handle, gpio)
        return line.level

    def gpio_write(self, handle, gpio, level):
        self.gpio_claim_output(handle, gpio, level)
        self._line(handle, gpio).level = int(bool(level))
        return 0

    def gpio_set_debounce_micros(self, handle, gpio, debounce_micros):
        if not 0 <= debounce_micros <= 5_000_000:
            raise LgpioError("bad debounce microseconds")
        self._line(handle, gpio).debounce_s = debounce_micros / 1e6
        return 0

    def callback(self, handle, gpio, edge=1, func=None):
        entry = (handle >> 16, gpio, func)
        self.callbacks.append(entry)

        def cancel():
            if entry in self.callbacks:
                self.callbacks.remove(entry)

        return types.SimpleNamespace(cancel=cancel)

    def _claim(self, handle, line, flags, bias):
        if line.owner == handle:
            self._free(line)
        if line.used:
            raise LgpioError("GPIO busy")
        line.owner, line.flags, line.bias = handle, flags, bias

    def _free(self, line):
        line.owner, line.flags, line.bias, line.alert = None, 0, 0, False

    def _chip(self, handle):
        if self.opened.get(handle, -1) < 0:
            raise LgpioError("unknown handle")
        return self.chips[self.opened[handle]]

    def _line(self, handle, gpio):
        lines = self._chip(handle).lines
        if not 0 <= gpio < len(lines):
            raise LgpioError("bad GPIO number")
        return lines[gpio]
