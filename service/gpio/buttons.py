"""The buttons: edges of the pins go into the gesture machine, commands come out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial

from service.core.commands import Command
from service.core.gestures import Button, Gestures
from service.core.gpio_lines import Place
from service.gpio.pins import Pins, Switch


class Buttons:
    """Opens the buttons whose place is given and gives what is asked for to `ask`, on the event loop.

    Raises NeedsPerson; `pins.close()` then lets go of what was opened.
    """

    def __init__(
        self,
        *,
        pins: Pins,
        ask: Callable[[Command], None],
        lang: Place | None = None,
        live: Place | None = None,
        mute: Place | None = None,
        clock: Callable[[], float] = time.monotonic,  # must be the loop's: timers are set by it
    ) -> None:
        self._ask, self._clock = ask, clock
        self._loop = asyncio.get_running_loop()
        self._gestures = Gestures()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._switches: list[Switch] = []
        for button, place in ((Button.LANG, lang), (Button.LIVE, live), (Button.MUTE, mute)):
            if place is not None:
                switch = pins.button(place)
                if switch.is_pressed:  # of which there will be no edge
                    self._gestures.found_closed(button, self._clock())
                switch.when_pressed = partial(self._enqueue, button, True)
                switch.when_released = partial(self._enqueue, button, False)
                self._switches.append(switch)
        self._set_timer()

    def close(self) -> None:
        """No command after this. Takes up to 0.1 s a button: gpiozero waits for a thread that looks so often."""
        self._closed = True
        self._set_timer()
        while self._switches:
            self._switches.pop().close()

    def _enqueue(self, button: Button, pressed: bool) -> None:
        """In a library's thread, where an exception would be the end of all edges."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._edge, button, pressed, self._clock())

    def _edge(self, button: Button, pressed: bool, at_s: float) -> None:
        if not self._closed:
            self._obey(self._gestures.edge(button, pressed, at_s))

    def _due(self, wake_s: float) -> None:
        self._obey(self._gestures.due(max(wake_s, self._clock())))

    def _obey(self, commands: list[Command]) -> None:
        self._set_timer()
        for command in commands:
            self._ask(command)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_s = self._gestures.wake_at_s()
        if wake_s is not None and not self._closed:
            self._timer = self._loop.call_at(wake_s, self._due, wake_s)
