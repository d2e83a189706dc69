"""A command to the cloud that is not confirmed yet, and how long it may stay so (palabra-api 3.5, 3.7, 8)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.core.languages import LanguagePair

GATE_S = 2.1  # set_task and get_task together: the limit is one per 2 s each
PAUSE_GATE_S = 3.1  # the limit is one per 3 s


@dataclass(frozen=True, slots=True)
class Patience:
    """When a command is said once more after it was first said, and when it is given up: a change so long after the
    wish, all others after they were first said."""

    repeat_s: float
    limit_s: float


START = Patience(repeat_s=10.0, limit_s=30.0)  # given up, the session is lost
CHANGE = Patience(repeat_s=5.0, limit_s=10.0)  # given up, the old pair is wanted again
MEND = Patience(repeat_s=math.inf, limit_s=10.0)  # a task that got lost is asked for once


@dataclass(slots=True)
class Ask:
    """set_task of a pair, or pause_task (None), from its first sending until it is confirmed, replaced or given up."""

    pair: LanguagePair | None
    patience: Patience
    said_at_s: float
    repeat_at_s: float
    until_s: float
    supersedes: bool  # an earlier change was said and may have been granted
    minimal: bool = False
    stale_answers: int = 0  # still to come for get_tasks that were sent before it

    @classmethod
    def of(cls, pair: LanguagePair | None, patience: Patience, now_s: float, *, supersedes: bool) -> Ask:
        """A command about to be said for the first time."""
        return cls(pair, patience, now_s, now_s + patience.repeat_s, now_s + patience.limit_s, supersedes)

    @property
    def pauses(self) -> bool:
        """Whether it is pause_task."""
        return self.pair is None

    @property
    def title(self) -> str:
        """What it asks for, for a person."""
        return "the pause" if self.pair is None else title(self.pair)


def title(pair: LanguagePair) -> str:
    """The pair for a person."""
    return f'"{pair.name}" ({pair.source} to {", ".join(pair.targets)})'
