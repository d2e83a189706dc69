"""The time of day: whether it can be trusted, and when it jumps. TLS lives by it, and nothing else here does."""

from __future__ import annotations

from dataclasses import dataclass

STEP_S = 1.0  # a smaller difference is a clock that is being slewed


@dataclass(frozen=True, slots=True)
class ClockSigns:
    """What tells of the clock, in seconds since 1970.

    `synchronised`: a time service says so. `in_time`: a time service is there that will say so once it can.
    `past_s` is over for certain: then this program was built, or wrote its last file.
    """

    synchronised: bool
    in_time: bool
    now_s: float
    past_s: float

    @property
    def trustworthy(self) -> bool:
        """Either somebody says so, or it may be right and nobody is there who could make it better."""
        return self.synchronised or (self.now_s >= self.past_s and not self.in_time)


class Steps:
    """Look every second or so: it tells by how much the clock was set in between."""

    def __init__(self) -> None:
        self._ahead_s: float | None = None

    def look(self, time_of_day_s: float, monotonic_s: float) -> float:
        """By how many seconds the clock was set since the last look; 0 when it was not."""
        ahead_s, before_s = time_of_day_s - monotonic_s, self._ahead_s
        self._ahead_s = ahead_s
        return 0.0 if before_s is None or abs(ahead_s - before_s) < STEP_S else ahead_s - before_s
