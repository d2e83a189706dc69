"""Is anybody there to be translated? A broadcast in which nobody speaks is paused, and so not paid for (appliance B15).

Times are seconds of one monotonic clock.
"""

from __future__ import annotations


class Idle:
    """Tell it when people act and speak, and look twice a second while the box is live.

    It pauses for silence alone: what a person pauses is that person's, and no speech ends it. A link that comes and
    goes does not begin the silence anew, and what was paused stays so over a new session.
    """

    def __init__(self, after_s: float | None) -> None:
        self._after_s = after_s  # None: nothing is ever paused
        self._quiet_since_s: float | None = None  # None: not counted
        self.paused = False

    def rest(self) -> None:
        """The broadcast is over, or a person has paused it."""
        self._quiet_since_s, self.paused = None, False

    def awake(self, at_s: float) -> None:
        """Somebody spoke then, or a person wants it to go on."""
        if self._quiet_since_s is not None:
            self._quiet_since_s = max(self._quiet_since_s, at_s)
        self.paused = False

    def look(self, now_s: float, *, spoke_s: float) -> bool:
        """Whether the pause begins now; `spoke_s` is when somebody spoke last, in this broadcast or before it."""
        if self._after_s is None or self.paused:
            return False
        if self._quiet_since_s is None:
            self._quiet_since_s = now_s
        self._quiet_since_s = max(self._quiet_since_s, spoke_s)
        self.paused = now_s - self._quiet_since_s >= self._after_s
        return self.paused
