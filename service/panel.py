"""What people switch on the box itself, whatever its story is: mute, floor, an alarm that was seen, which box it is."""

from __future__ import annotations

import asyncio
import logging

from service.board import Board
from service.core.commands import Acknowledge, Command, Floor, Identify, Mute, Stuck
from service.core.lamps import alarm
from service.core.ports import LineOut

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
                others = tuple(name for name in status.stuck_buttons if name != button)
                self._board.update(stuck_buttons=(*others, button) if on else others)
            case _:
                return False
        return True

    def _identify(self, on: bool) -> None:
        if self._identified is not None:
            self._identified.cancel()
        self._board.update(identifying=on)
        if on:
            log.warning("this is the box that somebody asked for: its lamps are fast for %g s", IDENTIFY_S)
            loop = asyncio.get_running_loop()
            self._identified = loop.call_later(IDENTIFY_S, lambda: self._board.update(identifying=False))
