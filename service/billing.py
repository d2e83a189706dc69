"""The accounts of sessions kept up to what happens, shown, and handed over to be remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.board import Board
from service.core.accounts import Accounts

KEEP_PAID_MIN = 10  # each time writes 4 kB to the card, which may get 1 MB a day (appliance M22)


class Billing:
    """`on_paid` hears now and then, and at each session's end, what was paid in all."""

    def __init__(
        self, *, board: Board, accounts: Accounts, on_paid: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        self.accounts = accounts
        self._board, self._on_paid, self._clock = board, on_paid, clock

    @contextmanager
    def session(self) -> Iterator[None]:
        """While it lasts."""
        self.accounts.opened(self._clock())
        self._board.update(session=self.accounts.sessions)
        try:
            yield
        finally:
            self.accounts.closed(self._clock())
            self._on_paid(self.accounts.total_s(self._clock()))
            self._board.update(session_min=None)

    def running(self, on: bool) -> None:
        """Whether the cloud translates now."""
        self.accounts.running(on, self._clock())

    def look(self) -> None:
        """Say how old the session is, by the minute."""
        now_s = self._clock()
        age_s = self.accounts.age_s(now_s)
        if age_s is not None and self._board.status.session_min != age_s // 60:
            self._board.update(session_min=int(age_s // 60))
            if age_s // 60 % KEEP_PAID_MIN == 0:
                self._on_paid(self.accounts.total_s(now_s))

    @property
    def overdue(self) -> bool:
        """Whether the box has been on air for as long as it may."""
        return self.accounts.overdue(self._clock())
