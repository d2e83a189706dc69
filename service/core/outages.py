"""Losses of LIVE: each leaves one record with one cause (appliance B3). Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

from service.core.errors import Cause

LEAST_S = 1.0  # a shorter loss is no outage


@dataclass(frozen=True, slots=True)
class Outage:
    """One loss of LIVE that nobody wished for, from its begin to LIVE again or to a person's end of it."""

    cause: Cause
    duration_s: float
    live_again: bool


class Outages:
    """Tell it every step; `live` and `meant` give the outage that they end, if there was one of `LEAST_S` or more."""

    def __init__(self) -> None:
        self._live = False
        self._lost: tuple[Cause, float] | None = None

    def live(self, now_s: float) -> Outage | None:
        """The translation is heard from now on."""
        self._live = True
        return self._over(now_s, live_again=True)

    def lost(self, cause: Cause, now_s: float) -> None:
        """It is not heard, and should be. The first cause stays, except that silent media are explained by what comes
        to light after them."""
        if self._live:
            self._live, self._lost = False, (cause, now_s)
        elif self._lost is not None and self._lost[0] is Cause.MEDIA:
            self._lost = cause, self._lost[1]

    def meant(self, now_s: float) -> Outage | None:
        """It need not be heard: paused, ended, stopped."""
        self._live = False
        return self._over(now_s, live_again=False)

    def _over(self, now_s: float, *, live_again: bool) -> Outage | None:
        lost, self._lost = self._lost, None
        if lost is None or now_s - lost[1] < LEAST_S:
            return None
        return Outage(lost[0], now_s - lost[1], live_again)
