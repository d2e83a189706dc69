"""Which RTP packets to ask for once more, and when (RFC 4585 section 6.2.1). Pure: time is an argument.

aiortc asks once: with a tenth of all packets lost in each direction a fifth of its requests come to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_RTT_S = 0.1
LEAST_APART_S = 0.015  # with each packet, where the round trip is short
PATIENCE_S = 0.4  # then it is too late to be played
TRIES = 6
LARGEST_GAP = 25  # half a second; more is an outage, and nobody wants to hear of it


@dataclass(slots=True)
class _Missing:
    since_s: float
    asked_s: float = 0.0
    tries: int = 0


class Nacks:
    """One RTP stream, from its first packet on."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._missing: dict[int, _Missing] = {}
        self._rtt_s = FIRST_RTT_S

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
        if found is not None and found.tries == 1:  # else nobody knows which request it answers (Karn)
            self._rtt_s += (now_s - found.asked_s - self._rtt_s) / 8

    def _due(self, now_s: float) -> list[int]:
        apart_s = max(LEAST_APART_S, 1.25 * self._rtt_s)
        due = []
        for sequence, one in list(self._missing.items()):
            if now_s - one.since_s > PATIENCE_S or one.tries >= TRIES:
                del self._missing[sequence]
            elif one.tries == 0 or now_s - one.asked_s >= apart_s:
                one.asked_s, one.tries = now_s, one.tries + 1
                due.append(sequence)
        return due
