"""What fingers mean: raw edges of the buttons in, commands out (appliance 5.2). Time is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from service.core.commands import (
    AcknowledgeOrPrevious,
    Command,
    End,
    Identify,
    Mute,
    NextPair,
    Stuck,
    ToggleLive,
)

BOUNCE_S = 0.03
TAP_S = 0.6
HOLD_S = 1.0
LATCH_S = 0.5
CHORD_S = 3.0
STUCK_S = 30.0


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
    Button.LANG: Meaning(tap=NextPair(), hold=AcknowledgeOrPrevious()),
    Button.LIVE: Meaning(tap=ToggleLive(), hold=End()),
    # A cough must not wait. Touched, it latches; held, it is turned over again when the finger leaves.
    Button.MUTE: Meaning(press=Mute(), late_release=Mute()),
}
# Held together for CHORD_S; from the moment both are down neither means anything by itself.
CHORD, CHORD_MEANS = (Button.LANG, Button.LIVE), Identify()


class Gestures:
    """All buttons of one box. Call `due` at `wake_at_s`; edges may be late, missing or doubled, nothing raises."""

    def __init__(self) -> None:
        self._contacts = {button: _Contact() for button in MEANINGS}
        self._fingers = {button: _Finger(button, meaning) for button, meaning in MEANINGS.items()}
        self._chord_at_s = math.inf

    def found_closed(self, button: Button, at_s: float) -> None:
        """The contact was closed when the program began: it means nothing until it opens, but may be stuck."""
        self._contacts[button].found_closed()
        self._fingers[button].found_down(at_s)

    def edge(self, button: Button, pressed: bool, at_s: float) -> list[Command]:
        """The contact closed or opened at `at_s`, bounces included."""
        commands = self.due(at_s)
        if self._contacts[button].edge(pressed, at_s):
            commands += self._turn(button, at_s)
        return commands

    def due(self, now_s: float) -> list[Command]:
        """What the passing of time means."""
        commands: list[Command] = []
        while (at_s := self._next_s()) <= now_s:
            for button, contact in self._contacts.items():
                if contact.settle(at_s):
                    commands += self._turn(button, at_s)
            for finger in self._fingers.values():
                commands += finger.due(at_s)
            if self._chord_at_s <= at_s:
                self._chord_at_s = math.inf
                commands.append(CHORD_MEANS)
        return commands

    def wake_at_s(self) -> float | None:
        """When time will next mean something, if nothing happens before."""
        wake_s = self._next_s()
        return None if wake_s == math.inf else wake_s

    def _next_s(self) -> float:
        settles_s = (contact.settles_at_s for contact in self._contacts.values())
        return min(self._chord_at_s, *settles_s, *(finger.wake_at_s for finger in self._fingers.values()))

    def _turn(self, button: Button, at_s: float) -> list[Command]:
        finger = self._fingers[button]
        commands = finger.press(at_s) if self._contacts[button].down else finger.release(at_s)
        chord = [self._fingers[one] for one in CHORD]
        if button in CHORD and all(one.down and not one.stuck for one in chord):
            self._chord_at_s = at_s + CHORD_S
            for one in chord:
                one.mean_nothing()
        elif button in CHORD:
            self._chord_at_s = math.inf
        return commands


class _Contact:
    """One button, debounced.

    The first edge counts at once; for BOUNCE_S the contact may then do what it likes, and where it rests at the end
    counts. So a touch shorter than its own bouncing is still a press and a release.
    """

    def __init__(self) -> None:
        self.down = False  # as it counts
        self.settles_at_s = math.inf
        self._closed = False  # as the last edge said

    def found_closed(self) -> None:
        self.down = self._closed = True

    def edge(self, pressed: bool, at_s: float) -> bool:
        """Whether the button went down or came up by this."""
        self._closed = pressed
        return self.settles_at_s == math.inf and self._follow(at_s)

    def settle(self, now_s: float) -> bool:
        """The same, by time alone."""
        if self.settles_at_s > now_s:
            return False
        self.settles_at_s = math.inf
        return self._follow(now_s)

    def _follow(self, at_s: float) -> bool:
        if self._closed == self.down:
            return False
        self.down, self.settles_at_s = self._closed, at_s + BOUNCE_S
        return True


class _Finger:
    """What one button's presses mean by themselves."""

    def __init__(self, button: Button, meaning: Meaning) -> None:
        self._button, self._meaning = button, meaning
        self._now = meaning  # of this press
        self._down_at_s: float | None = None
        self._hold_at_s = self._stuck_at_s = math.inf
        self.stuck = False

    @property
    def down(self) -> bool:
        return self._down_at_s is not None

    @property
    def wake_at_s(self) -> float:
        return min(self._hold_at_s, self._stuck_at_s)

    def found_down(self, at_s: float) -> None:
        self.press(at_s)
        self.mean_nothing()

    def mean_nothing(self) -> None:
        """Neither what is held already nor its release."""
        self._now, self._hold_at_s = Meaning(), math.inf

    def press(self, at_s: float) -> list[Command]:
        self._now, self._down_at_s, self._stuck_at_s = self._meaning, at_s, at_s + STUCK_S
        if self._meaning.hold is not None:
            self._hold_at_s = at_s + HOLD_S
        return _asked(self._meaning.press)

    def due(self, now_s: float) -> list[Command]:
        commands: list[Command] = []
        if self._hold_at_s <= now_s:
            self._hold_at_s = math.inf
            commands += _asked(self._now.hold)
        if self._stuck_at_s <= now_s:
            self._stuck_at_s, self.stuck = math.inf, True
            commands.append(Stuck(self._button.value, True))
        return commands

    def release(self, at_s: float) -> list[Command]:
        commands: list[Command] = [Stuck(self._button.value, False)] if self.stuck else []
        assert self._down_at_s is not None  # a release follows a press
        held_s = at_s - self._down_at_s
        self._hold_at_s = self._stuck_at_s = math.inf
        self._down_at_s, self.stuck = None, False
        return (
            commands
            + _asked(self._now.tap if held_s < TAP_S else None)
            + _asked(self._now.late_release if held_s > LATCH_S else None)
        )


def _asked(command: Command | None) -> list[Command]:
    return [] if command is None else [command]
