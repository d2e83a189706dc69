"""What a POST may ask for, and the command that it becomes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from service.core.commands import Choose, Command, End, NextPair, Pause, PreviousPair, Start
from service.core.languages import Menu
from service.core.routes import OutputChannel
from service.web.answers import Body, Refused


class Nothing(Body):
    """Nothing to choose: {}."""


class SessionOrder(Body):
    """On air, or not. `start` goes on with what is paused, as `resume` does."""

    action: Literal["start", "stop", "pause", "resume"]

    def command(self) -> Command:
        commands: dict[str, Command] = {"start": Start(), "stop": End(), "pause": Pause(), "resume": Start()}
        return commands[self.action]


class LanguageOrder(Body):
    """A pair of the menu: by its name, by its languages, or the one beside the one that is wanted now."""

    pair: str | None = None
    step: Literal["next", "previous"] | None = None
    source: str | None = None
    target: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.pair is not None, self.step is not None, self.target is not None)
        if sum(ways) != 1 or (self.source is not None and self.target is None):
            raise ValueError("give either pair, or step, or target with or without source")
        return self

    def command(self, menu: Menu) -> Command:
        """Raises Refused where the menu has no such pair, or more than one."""
        if self.step is not None:
            return NextPair() if self.step == "next" else PreviousPair()
        found = [
            pair
            for pair in menu.pairs
            if self.pair == pair.name
            or (self.target in pair.targets and self.source in (None, pair.source) and self.pair is None)
        ]
        if len(found) != 1:
            asked = self.pair or f"{self.source or 'any'} to {self.target}"
            names = ", ".join(f'"{pair.name}"' for pair in menu.pairs)
            raise Refused(f'"{asked}" is {"no pair" if not found else "more than one pair"} of the menu: {names}')
        return Choose(found[0])


class Switch(Body):
    """On, off, or over (null)."""

    on: bool | None = None


class IdentifyOrder(Body):
    """Which box is it? For ten seconds."""

    on: bool = True


class ToneOrder(Body):
    """A test tone on line-out: on all its cards, or where one of the settings' routes leads, the first being 1.

    The level is that of its peaks. No seconds end the one that sounds.
    """

    seconds: float = Field(default=3.0, ge=0, le=60, allow_inf_nan=False)
    level_dbfs: float = Field(default=-20.0, ge=-80, le=0, allow_inf_nan=False)
    hz: float = Field(default=440.0, ge=20, le=20_000, allow_inf_nan=False)
    channel: OutputChannel | None = None
    route: int | None = Field(default=None, ge=1)
    force: bool = False  # also over a translation that people listen to
