"""How often a session may be commanded (palabra-api 3.7)."""

from __future__ import annotations

from collections import deque

# Commands and seconds, each by itself: SDK 0.6.11 asks get_task 1.0 s after set_task and must be answered.
LIMITS = {
    "set_task": (1, 2.0),
    "get_task": (1, 2.0),
    "pause_task": (1, 3.0),
    "end_task": (1, 3.0),
    "tts_task": (60, 60.0),
}


class RateLimits:
    """Counts the accepted commands of one session; what comes over the limit is not counted."""

    def __init__(self) -> None:
        self._accepted_at_s: dict[str, deque[float]] = {kind: deque() for kind in LIMITS}

    def allows(self, kind: str, now_s: float) -> bool:
        """Whether this command may come now; if so, it has."""
        if kind not in LIMITS:
            return True
        count, period_s = LIMITS[kind]
        accepted = self._accepted_at_s[kind]
        while accepted and accepted[0] <= now_s - period_s:
            accepted.popleft()
        if len(accepted) >= count:
            return False
        accepted.append(now_s)
        return True
