"""What people switch on the box itself, whatever its story is: mute, floor, an alarm that was seen, which box it is."""

from __future__ import annotations

import asyncio
import logging

from service.board import Board
from service.core.commands import Acknowledge, Command, Floor, Identify, Mute, Stuck
from service.core.lamps import alarm
from service.core.ports import LineOut
from service.core.status import stuck_words

log = logging.getLogger(__name__)

IDENTIFY_S = 10.0


class Panel:
    """Event loop only."""

    def __init__(self, *, board: Board, line_out: LineOut) -> None:
        self._board, self._line_out = board, line_out
        self._identified: asyncio.TimerHandle | None = None

    def obey(self, command: Command) -> bool:
        """Do it, if it is one of these."""
        status = self._board.status
        match command:
            case Mute(on):
                muted = (not status.muted) if on is None else on
                self._line_out.mute(muted)
                self._board.update(muted=muted)
            case Floor(on):
                self._board.update(floor_chosen=(not status.floor_chosen) if on is None else on)
            case Acknowledge():
                self._board.update(acknowledged=alarm(status))
            case Identify(on):
                self._identify(on)
            case Stuck(button, on):
                self._stuck(button, on)
            case _:
                return False
        return True

    def _stuck(self, button: str, on: bool) -> None:
        known = self._board.status.stuck_buttons
        if on and button not in known:
            log.warning("%s", stuck_words(button))
            self._board.update(stuck_buttons=(*known, button))
        elif not on and button in known:
            log.warning("the %s button is free again", button.upper())
            self._board.update(stuck_buttons=tuple(name for name in known if name != button))

    def _identify(self, on: bool) -> None:
        if self._identified is not None:
            self._identified.cancel()
        self._board.update(identifying=on)
        if on:
            log.warning("this is the box that somebody asked for: its lamps are fast for %g s", IDENTIFY_S)
            loop = asyncio.get_running_loop()
            self._identified = loop.call_later(IDENTIFY_S, lambda: self._board.update(identifying=False))
