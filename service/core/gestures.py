"""What fingers mean: raw edges of the buttons in, commands out (appliance 5.2). Time is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from service.core.commands import Command, End, Mute, NextPair, ToggleLive

BOUNCE_S = 0.03
TAP_S = 0.6
HOLD_S = 1.0
LATCH_S = 0.5


class Button(Enum):
    """The buttons of the box."""

    LANG = "lang"
    LIVE = "live"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a button asks for; None: nothing."""

    press: Command | None = None  # at once
    tap: Command | None = None  # on a release within TAP_S
    hold: Command | None = None  # after HOLD_S, while still held
    late_release: Command | None = None  # on a release later than LATCH_S


MEANINGS = {
    Button.LANG: Meaning(tap=NextPair()),
    Button.LIVE: Meaning(tap=ToggleLive(), hold=End()),
    # A cough must not wait. Touched, it latches; held, it is turned over again when the finger leaves.
    Button.MUTE: Meaning(press=Mute(), late_release=Mute()),
}


class Gestures:
    """All buttons of one box. Call `due` at `wake_at_s`; edges may be late, missing or doubled, nothing raises."""

    def __init__(self) -> None:
        self._contacts = {button: _Contact(meaning) for button, meaning in MEANINGS.items()}

    def edge(self, button: Button, pressed: bool, at_s: float) -> list[Command]:
        """The contact closed or opened at `at_s`, bounces included."""
        return self._contacts[button].edge(pressed, at_s)

    def due(self, now_s: float) -> list[Command]:
        """What the passing of time means."""
        return [command for contact in self._contacts.values() for command in contact.due(now_s)]

    def wake_at_s(self) -> float | None:
        """When time will next mean something, if nothing happens before."""
        wake_s = min(contact.wake_at_s() for contact in self._contacts.values())
        return None if wake_s == math.inf else wake_s


class _Contact:
    """One button, first debounced, then understood.

    The first edge counts at once; for BOUNCE_S the contact may then do what it likes, and where it rests at the end
    counts. So a touch shorter than its own bouncing is still a press and a release.
    """

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._closed = False  # as the last edge said
        self._down = False  # as it counts
        self._down_at_s = 0.0
        self._settles_at_s = self._hold_at_s = math.inf

    def edge(self, pressed: bool, at_s: float) -> list[Command]:
        commands = self.due(at_s)
        self._closed = pressed
        if self._settles_at_s == math.inf and pressed != self._down:
            commands += self._turn(at_s)
        return commands

    def due(self, now_s: float) -> list[Command]:
        commands: list[Command] = []
        while self._settles_at_s <= now_s:
            at_s, self._settles_at_s = self._settles_at_s, math.inf
            if self._closed != self._down:
                commands += self._turn(at_s)
        if self._hold_at_s <= now_s:
            self._hold_at_s = math.inf
            commands += _asked(self._meaning.hold)
        return commands

    def wake_at_s(self) -> float:
        return min(self._settles_at_s, self._hold_at_s)

    def _turn(self, at_s: float) -> list[Command]:
        """The button goes down or comes up."""
        self._down = self._closed
        self._settles_at_s = at_s + BOUNCE_S
        if self._down:
            self._down_at_s = at_s
            if self._meaning.hold is not None:
                self._hold_at_s = at_s + HOLD_S
            return _asked(self._meaning.press)
        self._hold_at_s = math.inf
        held_s = at_s - self._down_at_s
        return _asked(self._meaning.tap if held_s < TAP_S else None) + _asked(
            self._meaning.late_release if held_s > LATCH_S else None
        )


def _asked(command: Command | None) -> list[Command]:
    return [] if command is None else [command]
