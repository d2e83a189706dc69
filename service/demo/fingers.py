"""Fingers on the mock pins: keys and scripts press the very pins that a box's buttons are on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from service.demo.script import GESTURES

KEYS = {"l": "lang", "p": "lang-hold", " ": "live", "e": "live-hold", "m": "mute", "i": "both-hold"}


class Pin(Protocol):
    """A pin of gpiozero's mock factory; buttons pull it up, so low is pressed."""

    def drive_low(self) -> None:
        """Press."""

    def drive_high(self) -> None:
        """Let go."""


class Fingers:
    """Presses buttons by the words of `GESTURES`."""

    def __init__(self, pins: Mapping[str, Pin]) -> None:
        self._pins = pins
        self._tasks: set[asyncio.Task[None]] = set()

    def press(self, word: str) -> None:
        """Press and let go, in the background."""
        names, held_s = GESTURES[word]
        task = asyncio.ensure_future(self._press([self._pins[name] for name in names], held_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _press(self, pins: list[Pin], held_s: float) -> None:
        for pin in pins:
            pin.drive_low()
        try:
            await asyncio.sleep(held_s)
        finally:
            for pin in pins:
                pin.drive_high()


@asynccontextmanager
async def keyboard(press: Callable[[str], None], quit_: Callable[[], None]) -> AsyncIterator[bool]:
    """Give every key of `KEYS` to `press`, `q` to `quit_`. Yields False, and does nothing, without a terminal."""
    if not sys.stdin.isatty():
        yield False
        return
    fd = sys.stdin.fileno()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for key in os.read(fd, 64).decode(errors="ignore").lower():
            if key == "q":
                quit_()
            elif key in KEYS:
                press(KEYS[key])

    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    loop.add_reader(fd, read)
    try:
        yield True
    finally:
        loop.remove_reader(fd)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
