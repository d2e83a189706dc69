"""The pins of the box, through one gpiozero pin factory that is named, never guessed."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import gpiozero
from gpiozero.pins.mock import MockFactory

from service.core.errors import PinsUnusable

# A glitch shorter than this is no edge. lgpio filters it, the mock does not; core/gestures debounces by itself.
GLITCH_S = 0.005


def kind_of(environ: Mapping[str, str]) -> str:
    """Which factory: the one that gpiozero's own variable names, else lgpio."""
    return environ.get("GPIOZERO_PIN_FACTORY", "lgpio")


class Pins:
    """`lgpio` on a box, `mock` at a desk, or another factory by the name of its entry point. Opened with the
    first pin: no pins, no factory.

    Every method raises PinsUnusable with the remedy where the pins cannot be used.
    """

    def __init__(self, kind: str, *, dev: Path = Path("/dev")) -> None:
        self._kind, self._dev = kind, dev
        self._factory: Any = None
        self._errors: tuple[type[Exception], ...] = ()
        self._devices: list[Any] = []

    def button(self, number: int) -> gpiozero.Button:
        """A button between this GPIO (BCM) number and ground. Its hold events come twice or late: bare edges only."""
        # hold_time=0: the hold thread that comes with every Button does not wait for a finger when it has to end.
        return self._device(gpiozero.Button, number, pull_up=True, bounce_time=GLITCH_S, hold_time=0)

    def led(self, number: int, *, active_high: bool = True) -> gpiozero.LED:
        """A lamp on this GPIO (BCM) number, dark at first."""
        return self._device(gpiozero.LED, number, active_high=active_high)

    def pin(self, number: int) -> Any:
        """The bare pin: a mock's is what fingers drive."""
        return self._open().pin(number)

    def close(self) -> None:
        """Let go of everything. May be called twice; the next pin opens a new factory."""
        while self._devices:
            self._devices.pop().close()
        factory, self._factory = self._factory, None
        if factory is not None:
            factory.close()

    def _device(self, kind: Callable[..., Any], number: int, **options: Any) -> Any:
        factory = self._open()
        try:
            # First the bare line: a device that fails on it keeps the pin reserved for as long as the error is kept.
            factory.pin(number)
            device = kind(number, pin_factory=factory, **options)
        except self._errors as problem:
            raise PinsUnusable(
                f"GPIO {number} cannot be used: {problem}; stop the program that holds it or configure another pin"
            ) from problem
        self._devices.append(device)
        return device

    def _open(self) -> Any:
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
    for entry in entry_points(group="gpiozero_pin_factories", name=name):
        return entry.load()()
    raise PinsUnusable(f"GPIOZERO_PIN_FACTORY={name} names no pin factory of gpiozero's; take the variable away")


def _open_lgpio(dev: Path) -> tuple[Any, type[Exception]]:
    """gpiozero's factory on lgpio, and lgpio's own error, which gpiozero lets through."""
    lgpio, factory = _import_lgpio()
    try:
        return factory(), lgpio.error
    except (gpiozero.exc.PinUnknownPi, OSError) as problem:
        raise PinsUnusable(
            f"pins need a Raspberry Pi, and this board does not say that it is one ({problem}); "
            "a unit with ProcSubset=pid hides it"
        ) from problem
    except lgpio.error as problem:
        raise PinsUnusable(f"{_why_no_chip(dev)} ({problem})") from problem


def _import_lgpio() -> tuple[Any, Any]:
    try:
        # When imported, lgpio leaves a FIFO in the current directory, which may be read-only or somebody's, and where
        # LG_WD is set it moves the whole process there. It needs the FIFO's name only until the import is over.
        with tempfile.TemporaryDirectory(prefix="boothd-lgpio-") as folder, contextlib.chdir(folder):
            import lgpio
        from gpiozero.pins.lgpio import LGPIOFactory
    except (ImportError, AttributeError) as problem:  # lgpio 0.0.0.2 can be imported and is empty
        raise PinsUnusable(
            f"pins need lgpio, which {sys.executable} does not have: install python3-lgpio by apt (a virtual "
            'environment sees it with --system-site-packages), or pip install "lgpio==0.2.2.0" before Python 3.13'
        ) from problem
    except OSError as problem:
        raise PinsUnusable(f"lgpio needs a directory that it may write to: {problem}; set TMPDIR to one") from problem
    return lgpio, LGPIOFactory


def _why_no_chip(dev: Path) -> str:
    chips = sorted(dev.glob("gpiochip*"))
    if not chips:
        return f"pins need {dev}/gpiochip0, which is not there; a container or a unit with PrivateDevices= hides it"
    if not any(os.access(chip, os.R_OK | os.W_OK) for chip in chips):
        return (
            f"no permission to use {chips[0]}: add the user to the group gpio, in the unit by SupplementaryGroups=gpio"
        )
    return f"the pins of {chips[0]} cannot be opened; see `gpiodetect`"
