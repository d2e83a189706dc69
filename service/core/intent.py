"""What people want of the box, and how each command changes that."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.core.commands import Choose, Command, End, NextPair, Pause, PreviousPair, Start, ToggleLive
from service.core.languages import LanguagePair, Menu


@dataclass(frozen=True, slots=True)
class Intent:
    """On air or not, paused there or not, and in which pair. It outlives sessions and links."""

    pair: LanguagePair
    on_air: bool = False
    paused: bool = False

    def after(self, command: Command, menu: Menu, *, in_session: bool) -> Intent:
        """The intent once this was asked for. Outside a session a tap of LIVE pauses nothing: it is meant to start."""
        match command:
            case NextPair():
                return replace(self, pair=menu.after(self.pair))
            case PreviousPair():
                return replace(self, pair=menu.before(self.pair))
            case Choose(pair):
                return replace(self, pair=pair)
            case ToggleLive() if self.on_air:
                return replace(self, paused=not self.paused) if in_session else self
            case Start() | ToggleLive():
                return replace(self, on_air=True, paused=False)
            case Pause():
                return replace(self, paused=self.on_air)
            case End():
                return replace(self, on_air=False, paused=False)
        return self
