"""What happens again and again in one outage, such as a try and its failure: not every one is worth a record."""

from __future__ import annotations

from collections.abc import Hashable

EACH = 10  # of one kind are told one by one
APART_S = 3600.0  # and then one, with how many there were meanwhile


class Repeats:
    """Of one outage; `over` begins anew."""

    def __init__(self) -> None:
        self._told: dict[Hashable, int] = {}
        self._last_s: dict[Hashable, float] = {}
        self._passed_over: dict[Hashable, int] = {}

    def over(self) -> None:
        """All is well again: whatever comes next is new."""
        self._told.clear()
        self._last_s.clear()
        self._passed_over.clear()

    def look(self, kind: Hashable, now_s: float) -> int | None:
        """Something of this kind happens: None if it is to be passed over, else how many were since the last one."""
        told = self._told.get(kind, 0)
        if told >= EACH and now_s - self._last_s[kind] < APART_S:
            self._passed_over[kind] = self._passed_over.get(kind, 0) + 1
            return None
        self._told[kind], self._last_s[kind] = told + 1, now_s
        return self._passed_over.pop(kind, 0)
