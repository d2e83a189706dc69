"""Which RTP packets to ask for once more, and when (RFC 4585 section 6.2.1). Pure: time is an argument.

LiveKit's server leaves a request unanswered until twice the round trip, at most 100 ms, has passed since it sent the
packet or answered for it last; then it answers one, three times at most. So a request that is made as soon as a short
round trip allows comes too early, and only repeating it with each packet gets the answer at the first moment there is.
A server that answers every one shows it by a packet that comes twice: with that one a round trip is waited for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST_RTT_S = 0.1
LEAST_APART_S = 0.015  # with each packet, but not with each of those that come at once after a stall
PATIENCE_S = 0.4  # then it is too late to be played
LARGEST_GAP = 25  # half a second; more is an outage, and nobody wants to hear of it
CALM_S = 10.0


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
        self._calm_until_s = -math.inf

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
                for n in range(1, ahead):
                    self._missing[(self._highest + n) % 0x10000] = _Missing(now_s)
            else:
                self._missing.clear()
            self._highest = sequence
        return self._due(now_s)

    def _came(self, sequence: int, now_s: float) -> None:
        found = self._missing.pop(sequence, None)
        if found is None:
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
