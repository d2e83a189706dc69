"""How long the session has lasted, and how long of it was paid. Seconds of one monotonic clock, so no step of the wall
clock counts."""

from __future__ import annotations


class Accounts:
    """Of one process; `paid_s` is what was paid before it.

    The limit of a session counts from the first one since somebody went on air: what was lost and made anew is the same
    to whoever forgot to end it.
    """

    def __init__(self, *, paid_s: float = 0.0, max_session_s: float | None = None) -> None:
        self._max_session_s = max_session_s
        self._paid_before_s = paid_s
        self._paid_s = 0.0  # of this session, but for what runs
        self._opened_s: float | None = None
        self.sessions = 0  # opened so far
        self._since_s: float | None = None
        self._running_since_s: float | None = None

    def opened(self, now_s: float) -> None:
        """The cloud has granted a session."""
        self._paid_before_s, self._paid_s = self.total_s(now_s), 0.0
        self._opened_s = now_s
        self.sessions += 1
        if self._since_s is None:
            self._since_s = now_s

    def closed(self, now_s: float) -> None:
        """It is over."""
        self.running(False, now_s)
        self._opened_s = None

    def off_air(self) -> None:
        """Somebody has ended it, or its time was over."""
        self._since_s = None

    def running(self, on: bool, now_s: float) -> None:
        """Whether the cloud translates now: then it is paid."""
        if self._running_since_s is not None:
            self._paid_s += now_s - self._running_since_s
        self._running_since_s = now_s if on else None

    @property
    def limit(self) -> str:
        """How long it may last, as people say it."""
        limit_s = self._max_session_s or 0.0
        return f"{limit_s / 3600:g} h" if limit_s % 3600 == 0 else f"{limit_s / 60:g} min"

    def overdue(self, now_s: float) -> bool:
        """Whether it has lasted as long as it may."""
        limit_s, since_s = self._max_session_s, self._since_s
        return limit_s is not None and since_s is not None and now_s - since_s >= limit_s

    def age_s(self, now_s: float) -> float | None:
        """Of the session that is open."""
        return None if self._opened_s is None else now_s - self._opened_s

    def paid_s(self, now_s: float) -> float:
        """In this session, or in the last one."""
        return self._paid_s + (0.0 if self._running_since_s is None else now_s - self._running_since_s)

    def total_s(self, now_s: float) -> float:
        """Ever, as far as it was kept."""
        return self._paid_before_s + self.paid_s(now_s)
