"""The pins of the box: a Raspberry Pi's by gpiozero, with one pin factory that is named, never guessed; other boards'
lines by `chip_lines`. What is not configured is not even imported."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from service.core.errors import PinsUnusable
from service.core.gpio_lines import GpioLine, Place, name_of
from service.gpio.chip_lines import ChipLines

# A glitch shorter than this is no edge. lgpio filters it, the mock does not; core/gestures debounces by itself.
GLITCH_S = 0.005


def kind_of(environ: Mapping[str, str]) -> str:
    """Which factory: the one that gpiozero's own variable names, else lgpio."""
    return environ.get("GPIOZERO_PIN_FACTORY") or "lgpio"


class Switch(Protocol):
    """A button as gpiozero has it. What it calls is called in a library's thread."""

    when_pressed: Callable[[], None] | None
    when_released: Callable[[], None] | None

    @property
    def is_pressed(self) -> bool: ...
    def close(self) -> None: ...


class Led(Protocol):
    """A lamp as gpiozero has it."""

    @property
    def is_lit(self) -> bool: ...
    def on(self) -> None: ...
    def off(self) -> None: ...
    def close(self) -> None: ...


class Pins:
    """`lgpio` on a box, `mock` at a desk, or another factory by the name of its entry point. Opened with the
    first pin: no pins, no factory.

    Every method raises PinsUnusable with the remedy where the pins cannot be used.
    """

    def __init__(self, kind: str, *, dev: Path = Path("/dev")) -> None:
        self._kind, self._dev = kind, dev
        self._factory: Any = None
        self._lines: ChipLines | None = None
        self._errors: tuple[type[Exception], ...] = ()
        self._devices: list[Any] = []

    def button(self, place: Place) -> Switch:
        """A button between this place and ground. gpiozero's hold events come twice or late: bare edges only."""
        button: Switch
        if isinstance(place, GpioLine):
            button = self._chip_lines().button(place, glitch_s=GLITCH_S)
        else:
            # hold_time=0: the hold thread that comes with every Button does not wait for a finger when it has to end.
            button = self._device("Button", place, pull_up=True, bounce_time=GLITCH_S, hold_time=0)
        self._devices.append(button)
        return button

    def led(self, place: Place, *, active_high: bool = True) -> Led:
        """A lamp at this place, dark at first."""
        led: Led
        if isinstance(place, GpioLine):
            led = self._chip_lines().led(place, active_high=active_high)
        else:
            led = self._device("LED", place, active_high=active_high)
        self._devices.append(led)
        return led

    def pin(self, number: int) -> Any:
        """The bare pin: a mock's is what fingers drive."""
        return self._open().pin(number)

    def close(self) -> None:
        """Let go of everything. May be called twice; the next pin opens all anew."""
        while self._devices:
            self._devices.pop().close()
        opened = [part for part in (self._factory, self._lines) if part is not None]
        self._factory = self._lines = None
        for part in opened:
            part.close()

    def _device(self, kind: str, number: int, **options: Any) -> Any:
        import gpiozero

        factory = self._open()
        try:
            # First the bare line: a device that fails on it keeps the pin reserved for as long as the error is kept.
            factory.pin(number)
            return getattr(gpiozero, kind)(number, pin_factory=factory, **options)
        except self._errors as problem:
            raise PinsUnusable(
                f"{name_of(number)} cannot be used: {problem}; stop the program that holds it or configure another pin"
            ) from problem

    def _chip_lines(self) -> ChipLines:
        if self._lines is None:
            if self._kind != "lgpio":
                raise PinsUnusable(f"lines need lgpio, not GPIOZERO_PIN_FACTORY={self._kind}: take the variable away")
            lgpio = _import_lgpio()
            try:
                self._lines = ChipLines(lgpio, dev=self._dev)
            except lgpio.error as problem:
                raise PinsUnusable(f"{_why_no_chip(self._dev)} ({problem})") from problem
        return self._lines

    def _open(self) -> Any:
        import gpiozero
        from gpiozero.pins.mock import MockFactory

        if self._factory is None:
            self._errors = (gpiozero.GPIOZeroError,)
            if self._kind == "mock":
                self._factory = MockFactory()
            elif self._kind != "lgpio":
                self._factory = _named_factory(self._kind)
            else:
                self._factory, lgpio_error = _open_lgpio(self._dev)
                self._errors += (lgpio_error,)
        return self._factory


def _named_factory(name: str) -> Any:
    from gpiozero import GPIOZeroError

    for entry in entry_points(group="gpiozero_pin_factories", name=name):
        try:
            return entry.load()()
        except (ImportError, OSError, GPIOZeroError) as problem:
            raise PinsUnusable(f"GPIOZERO_PIN_FACTORY={name} cannot be used: {problem}") from problem
    raise PinsUnusable(f"GPIOZERO_PIN_FACTORY={name} names no pin factory of gpiozero's; take the variable away")


def _open_lgpio(dev: Path) -> tuple[Any, type[Exception]]:
    """gpiozero's factory on lgpio, and lgpio's own error, which gpiozero lets through."""
    lgpio = _import_lgpio()
    from gpiozero.exc import PinUnknownPi
    from gpiozero.pins.lgpio import LGPIOFactory

    try:
        return LGPIOFactory(), lgpio.error
    except (PinUnknownPi, OSError) as problem:
        raise PinsUnusable(
            f"pins need a Raspberry Pi, and this board does not say that it is one ({problem}); another board has "
            'lines, as in { line = "PA7" }; a unit with ProcSubset=pid hides a Raspberry Pi'
        ) from problem
    except lgpio.error as problem:
        raise PinsUnusable(f"{_why_no_chip(dev)} ({problem})") from problem


def _import_lgpio() -> Any:
    try:
        # When imported, lgpio leaves a FIFO in the current directory, which may be read-only or somebody's, and where
        # LG_WD is set it moves the whole process there. It needs the FIFO's name only until the import is over.
        with tempfile.TemporaryDirectory(prefix="boothd-lgpio-") as folder, contextlib.chdir(folder):
            import lgpio
        _ = lgpio.gpiochip_open
    except (ImportError, AttributeError) as problem:  # lgpio 0.0.0.2 can be imported and is empty
        raise PinsUnusable(
            f"pins need lgpio, which {sys.executable} does not have: install python3-lgpio by apt (a virtual "
            'environment sees it with --system-site-packages), or pip install "lgpio==0.2.2.0" before Python 3.13'
        ) from problem
    except OSError as problem:
        raise PinsUnusable(f"lgpio needs a directory that it may write to: {problem}; set TMPDIR to one") from problem
    return lgpio


def _why_no_chip(dev: Path) -> str:
    chips = sorted(dev.glob("gpiochip*"))
    if not chips:
        return f"pins need {dev}/gpiochip0, which is not there; a container or a unit with PrivateDevices= hides it"
    if not any(os.access(chip, os.R_OK | os.W_OK) for chip in chips):
        return (
            f"no permission to use {chips[0]}: add the user to the group gpio, in the unit by SupplementaryGroups=gpio"
        )
    return f"the pins of {chips[0]} cannot be opened; see `gpiodetect`"
