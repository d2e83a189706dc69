"""Which RTP packets to ask for once more, and when (RFC 4585 section 6.2.1). Pure: time is an argument.

LiveKit's server leaves a request unanswered until twice the round trip, at most 100 ms, has passed since it sent the
packet or answered for it last; then it answers one, three times at most. So a request that is made as soon as a short
round trip allows comes too early, and only repeating it with each packet gets the answer at the first moment there is.
A server that answers every one shows it by a packet that comes twice: with that one a round trip is waited for.

Where several in a row are lost, none comes that would show it: then what is overdue is asked for, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.core.audio import FRAME_S

FIRST_RTT_S = 0.1
LEAST_APART_S = 0.015  # with each packet, but not with each of those that come at once after a stall
PATIENCE_S = 0.4  # then it is too late to be played
LARGEST_GAP = 25  # half a second; more is an outage, and nobody wants to hear of it
CALM_S = 10.0
LATE_S = 0.005
FORGET = 0.995  # by each packet: half of it in 3 s


@dataclass(slots=True)
class _Missing:
    since_s: float
    asked_s: float = -math.inf
    tries: int = 0


class Nacks:
    """One RTP stream, from its first packet on."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._missing: dict[int, _Missing] = {}
        self._rtt_s = FIRST_RTT_S
        self._calm_until_s = self._patient_until_s = -math.inf
        self._last_s = math.inf  # nothing is overdue before the second packet
        self._wait_s = PATIENCE_S  # the longest that a packet has let wait for itself lately
        self._needless: set[int] = set()  # asked for, and on its way all along: it comes twice

    def received(self, sequence: int, now_s: float) -> list[int]:
        """Take one packet's sequence number; the numbers to ask for now, the oldest first."""
        if self._highest is None:
            self._highest = sequence
            return []
        ahead = (sequence - self._highest + 0x8000) % 0x10000 - 0x8000
        if ahead <= 0:
            self._came(sequence, now_s)
        else:
            if ahead <= LARGEST_GAP:
                self._miss(ahead - 1, now_s)
            else:
                self._missing.clear()
            self._advance(sequence, ahead, now_s)
        return self._due(now_s)

    def overdue(self, now_s: float) -> list[int]:
        """To be called each few milliseconds while nothing comes; the numbers to ask for now."""
        silent_s = now_s - self._last_s
        overdue_s = silent_s - self._wait_s - LATE_S
        if 0 < overdue_s and silent_s < PATIENCE_S and now_s >= self._patient_until_s:
            self._miss(1 + int(overdue_s / FRAME_S), now_s)
        return self._due(now_s)

    def _miss(self, count: int, now_s: float) -> None:
        assert self._highest is not None
        for n in range(1, count + 1):
            self._missing.setdefault((self._highest + n) % 0x10000, _Missing(now_s))

    def _advance(self, sequence: int, ahead: int, now_s: float) -> None:
        if self._missing.pop(sequence, None) is not None:
            if now_s >= self._patient_until_s:
                self._needless.clear()
            self._needless.add(sequence)
            self._patient_until_s = now_s + CALM_S
        if ahead == 1:
            self._wait_s = max(now_s - self._last_s, self._wait_s * FORGET)
        self._highest, self._last_s = sequence, now_s

    def _came(self, sequence: int, now_s: float) -> None:
        found = self._missing.pop(sequence, None)
        if sequence in self._needless:
            self._needless.discard(sequence)
        elif found is None:
            if now_s < self._calm_until_s:
                self._rtt_s = min(PATIENCE_S, 1.25 * self._rtt_s)  # it was asked for again too early
            self._calm_until_s = now_s + CALM_S
        elif found.tries == 1:  # else nobody knows which request it answers (Karn)
            self._rtt_s += (now_s - found.asked_s - self._rtt_s) / 8

    def _due(self, now_s: float) -> list[int]:
        calm = now_s < self._calm_until_s
        apart_s = max(LEAST_APART_S, 1.25 * self._rtt_s if calm else 0.0)
        due = []
        for sequence, one in list(self._missing.items()):
            if now_s - one.since_s > PATIENCE_S:
                del self._missing[sequence]
            elif now_s - one.asked_s >= apart_s:
                one.asked_s, one.tries = now_s, one.tries + 1
                due.append(sequence)
        return due
