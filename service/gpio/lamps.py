"""The lamps: patterns in, LEDs lit and dark at the right moments."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from service.core.gpio_lines import Place
from service.core.lamps import OFF, Pattern, one_lamp
from service.gpio.pins import Pins

SLACK_S = 0.001  # a timer may fire a hair early; what is due within this is due now


class Lamps:
    """Opens the lamps that are given, by name: the place and whether a high level lights it.

    We blink by ourselves, on the event loop, woken only when a lamp changes: gpiozero's way is a thread per LED, out of
    step with the others. Raises NeedsPerson; `pins.close()` then lets go of what was opened.
    """

    def __init__(self, *, pins: Pins, lamps: Mapping[str, tuple[Place, bool]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._leds = {name: pins.led(lamp[0], active_high=lamp[1]) for name, lamp in lamps.items()}
        self._shown = dict.fromkeys(self._leds, OFF)
        self._began_s = {OFF: 0.0}  # by pattern: lamps that show the same one are in step
        self._timer: asyncio.TimerHandle | None = None

    def show(self, patterns: Mapping[str, Pattern]) -> None:
        """From now on these, by name. What changes does so at once; what does not goes on undisturbed, unless
        another lamp joins its pattern. Names without a lamp are left out, lamps without a pattern are dark."""
        if "live" in self._leds and not self._leds.keys() & {"link", "alert"}:
            patterns = {**patterns, "live": one_lamp(patterns)}
        wanted = {name: patterns.get(name, OFF) for name in self._leds}
        changed = [name for name in wanted if wanted[name] != self._shown[name]]
        self._shown = wanted
        for pattern in {wanted[name] for name in changed}:
            all_lit = all(self._leds[name].is_lit for name in changed if wanted[name] == pattern)
            self._began_s[pattern] = self._loop.time() - (pattern.last_dark_s if all_lit else 0.0)
        if changed:
            self._light()

    @property
    def lit(self) -> dict[str, bool]:
        """Which lamps are lit, as their pins say."""
        return {name: led.is_lit for name, led in self._leds.items()}

    def close(self) -> None:
        """All dark. May be called twice; nothing is shown after this.

        What a lamp does after the process was killed is not defined by the kernel: that is for lamps_safe, not for us.
        """
        self._set_timer(math.inf)
        leds, self._leds = self._leds, {}
        for led in leds.values():
            led.off()
            led.close()

    def _light(self) -> None:
        """Bring every LED to where its pattern is now, and be back at the next change of any."""
        now_s = self._loop.time() + SLACK_S
        next_s = math.inf
        for name, led in self._leds.items():
            pattern = self._shown[name]
            lit, left_s = pattern.at(now_s - self._began_s[pattern])
            if lit != led.is_lit:
                (led.on if lit else led.off)()
            next_s = min(next_s, now_s + left_s)
        self._set_timer(next_s)

    def _set_timer(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at_s == math.inf else self._loop.call_at(at_s, self._light)
