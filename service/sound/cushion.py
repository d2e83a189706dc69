"""How much of line-out the card holds: more, and later, where the machine is too slow for the usual (audio-path 6)."""

from __future__ import annotations

from collections import deque

USUAL_PERIODS, MOST_PERIODS = 4, 16
UNDERRUNS, WITHIN_S = 3, 60.0  # more than so many in this time are too many
RELAX_S = 3600.0


class Cushion:
    """`periods` is what the card's next opening is to ask for. Of one thread."""

    def __init__(self) -> None:
        self.periods = self._asked = USUAL_PERIODS
        self._underruns_s: deque[float] = deque(maxlen=UNDERRUNS + 1)
        self._grown_s = 0.0

    def opened(self) -> None:
        """The card has been opened with `periods`."""
        self._asked = self.periods
        self._underruns_s.clear()

    def underrun(self, now_s: float) -> None:
        """The card has run dry; too often, and the buffer is to be twice as large."""
        self._underruns_s.append(now_s)
        too_many = len(self._underruns_s) > UNDERRUNS and now_s - self._underruns_s[0] <= WITHIN_S
        if too_many and self.periods == self._asked:
            self.periods = min(2 * self.periods, MOST_PERIODS)
            self._grown_s = now_s

    def wants_another(self, now_s: float) -> bool:
        """Whether the card is to be opened again at the next silence; after an hour, with the usual buffer."""
        if self.periods > USUAL_PERIODS and now_s - self._grown_s >= RELAX_S:
            self.periods = USUAL_PERIODS
        return self.periods != self._asked
