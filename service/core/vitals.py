"""Vital signs: counts of sound that have to go on while they are due. Pure: time is an argument.

What stands still is found within two seconds, for the box to heal it itself, again and again; what that does not help
in time leaves systemd hungry, and so does whoever no longer looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FOUND_S = 1.5
HUNGRY_S = 4.0  # the last ping comes before, and systemd waits for 10 s more: over within 15
UNWATCHED_S = 1.5
STEP_S = 0.5  # a machine that slept, a process that was stopped: of the time between two looks no more than this counts


@dataclass(frozen=True, slots=True)
class Sign:
    """How far it is, and whether it has to go on now."""

    count: int
    due: bool = True


class Vital:
    """One count. Only time in which it is due counts, also over a while in which it is not: what a healing interrupts
    is not healed by that."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._found = 0  # so often since it went on last
        self.still_s = 0.0

    @property
    def found(self) -> bool:
        """Whether it was found to stand still, and has not gone on since."""
        return self._found > 0

    def look(self, elapsed_s: float, sign: Sign) -> bool:
        """Whether it has stood still for another `FOUND_S`."""
        if sign.count != self._count:
            self._count, self._found, self.still_s = sign.count, 0, 0.0
        elif sign.due:
            self.still_s += elapsed_s
        if self.still_s < (self._found + 1) * FOUND_S:
            return False
        self._found += 1
        return True


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look has shown: who stands still and is to be healed now, and who goes on again after that."""

    still: tuple[str, ...]
    again: tuple[str, ...]


class Vitals:
    """All of them, by name."""

    def __init__(self, now_s: float) -> None:
        self._vitals: dict[str, Vital] = {}
        self._looked_s = now_s

    def look(self, now_s: float, signs: Mapping[str, Sign]) -> Looked:
        """Look at all of them, several times a second."""
        elapsed_s, self._looked_s = min(STEP_S, max(0.0, now_s - self._looked_s)), now_s
        still, again = [], []
        for name, sign in signs.items():
            vital = self._vitals.setdefault(name, Vital())
            was_found = vital.found
            if vital.look(elapsed_s, sign):
                still.append(name)
            elif was_found and not vital.found:
                again.append(name)
        return Looked(tuple(still), tuple(again))

    def trouble(self, now_s: float) -> str:
        """Why systemd is to be left hungry; empty while it is to be fed."""
        if now_s - self._looked_s > UNWATCHED_S:
            return f"nobody has looked after the sound for {now_s - self._looked_s:.1f} s"
        still = {name: vital.still_s for name, vital in self._vitals.items() if vital.still_s >= HUNGRY_S}
        return ", ".join(f"{name} has stood still for {still_s:.1f} s" for name, still_s in still.items())
