"""Where the story is, and what the board shows of it: phase, fault, network, and each loss as one record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from service.board import Board
from service.core.errors import Cause, ServiceError, cause_of
from service.core.outages import Outage, Outages
from service.core.phase import Phase, may_step
from service.core.status import Fault

OVERDUE_S = 30.0  # a network that is gone for so long is a matter for a person (appliance 5.1)


class Scene:
    """Only the conductor moves it. Event loop only."""

    def __init__(self, *, board: Board, on_outage: Callable[[Outage], None], clock: Callable[[], float]) -> None:
        self._board, self._on_outage, self._clock = board, on_outage, clock
        self._phase = Phase.STARTING
        self._fault: Fault | None = None
        self._sound_fault: Fault | None = None
        self._partly = False  # there is sound for some all the same
        self._outages = Outages()
        self._cause = Cause.BOX  # of the loss that stands
        self._was_heard = False  # in the session that stands or was lost last
        self._told: str | None = None  # what the log says of this outage
        self._overdue: asyncio.TimerHandle | None = None

    @property
    def phase(self) -> Phase:
        """Where the story is; the board shows FAULT instead while a card is lost."""
        return self._phase

    @property
    def soundless(self) -> bool:
        """Whether nobody could speak or hear: a card is lost, and no other one is left."""
        return self._sound_fault is not None and not self._partly

    def enter(self, phase: Phase, fault: Fault | None = None) -> None:
        """Go there, by a legal step. STOPPING is never left."""
        if self._phase is Phase.STOPPING or (phase is self._phase and fault == self._fault):
            return
        assert phase is self._phase or may_step(self._phase, phase), f"{self._phase} -> {phase}"  # a bug
        if phase in (Phase.LIVE, Phase.PAUSED, Phase.READY):
            self._was_heard = phase is Phase.LIVE
            self._told = None
        self._phase, self._fault = phase, fault
        self._board.update(listeners_lost_sound=self._was_heard and phase is not Phase.LIVE)
        self._show()

    def is_news(self, error: ServiceError) -> bool:
        """Whether this is another trouble than the last one of the same outage: the tries go on all night."""
        news, self._told = str(error) != self._told, str(error)
        return news

    def lose(self, error: ServiceError, phase: Phase) -> None:
        """Go there because of this."""
        self._cause = error.cause
        self.enter(phase, Fault(error.code, type(error).__name__, str(error)))

    def lose_task(self) -> None:
        """The cloud translates no more, and is asked to again."""
        self._cause = Cause.SESSION
        self.enter(Phase.PREPARING)

    def sound(self, fault: Fault | None, *, partly: bool) -> bool:
        """A card is lost, or back (None); `partly`: it is one of several. Whether that is news."""
        if (fault, partly) == (self._sound_fault, self._partly):
            return False
        self._sound_fault, self._partly = fault, partly
        self._show()
        return True

    def network_is_gone(self) -> None:
        """The cloud cannot be reached."""
        if self._overdue is None:
            loop = asyncio.get_running_loop()
            self._overdue = loop.call_later(OVERDUE_S, lambda: self._board.update(network_overdue=True))
        self._board.update(network=False)

    def network_is_there(self) -> None:
        """It was."""
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        self._board.update(network=True, network_overdue=False)

    def _show(self) -> None:
        """A lost card shows as FAULT whatever the story does meanwhile; the session is kept for its return."""
        hidden = self._sound_fault is not None and self._phase is not Phase.STOPPING
        self._note_outage()
        self._board.update(
            phase=Phase.FAULT if hidden else self._phase, fault=self._sound_fault if hidden else self._fault
        )

    def _note_outage(self) -> None:
        now_s, outage = self._clock(), None
        if self._phase in (Phase.PAUSED, Phase.READY, Phase.STOPPING):
            outage = self._outages.meant(now_s)
        elif self._sound_fault is not None:
            self._outages.lost(cause_of(self._sound_fault.code), now_s)
        elif self._phase is Phase.LIVE:
            outage = self._outages.live(now_s)
        else:
            self._outages.lost(self._cause, now_s)
        if outage is not None:
            self._on_outage(outage)
