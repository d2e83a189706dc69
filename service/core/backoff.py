"""Delays between tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RECENT_S = 120.0


@dataclass(slots=True)
class Backoff:
    """0.5, 1, 2, 4 … `cap_s` seconds, each with half of it left to chance; starts anew after a good while.

    `chance` in the calls is a number in [0, 1): randomness is an argument, as time is.
    """

    cap_s: float = 15.0
    good_s: float = 60.0
    _tries: int = 0

    def next_s(self, *, chance: float, at_least_s: float = 0.0) -> float:
        """The delay before the next try; at least what the other side asked for."""
        full_s = min(self.cap_s, 0.5 * 2.0**self._tries)
        self._tries = min(self._tries + 1, 16)
        return max(at_least_s, full_s * (0.5 + 0.5 * chance))

    def ran_for(self, duration_s: float) -> None:
        """The last try ran this long before it was lost."""
        if duration_s >= self.good_s:
            self._tries = 0


def wait_of_a_crash_loop_s(created_s: Sequence[float], now_s: float, *, cap_s: float = 15.0) -> float:
    """How long a process that has just begun waits before it asks for a session, by when the last ones were created:
    as if it had been one process, whose tries come slower and slower. One that was started once does not wait."""
    recent = [at_s for at_s in created_s if 0 <= now_s - at_s < RECENT_S]
    if not recent:
        return 0.0
    return max(0.0, max(recent) + min(cap_s, 0.5 * 2.0 ** len(recent)) - now_s)
