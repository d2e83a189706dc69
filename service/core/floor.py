"""What is heard of each target: its translation, or the floor, which is the speaker's own sound (appliance B1).

Times are seconds of one monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from service.core.phase import Phase

LEAD_S = 2.0  # a streamed translation may be over before its transcription is validated

_ON_THE_WAY = (Phase.CREATING, Phase.JOINING, Phase.PREPARING, Phase.WAITING)


class Programme(Enum):
    """What one target's listeners hear."""

    TRANSLATION = "translation"
    FLOOR = "floor"
    TONE = "tone"  # says that somebody takes care, where the floor itself must not be heard
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class FloorRules:
    """`fallback` stands in for a translation that has been gone for `after_s`, until it has been there again for
    `return_after_s`; None: nothing does. `off_air` is heard while there is to be no translation."""

    fallback: Programme | None = Programme.FLOOR
    after_s: float = 6.0
    return_after_s: float = 3.0
    off_air: Programme = Programme.SILENCE


class FloorWatch:
    """Tell it what was said, and look ten times a second."""

    def __init__(self, rules: FloorRules) -> None:
        self._rules = rules
        self._away_s: float | None = None  # since when there should be a translation and cannot be one
        self._said_s: float | None = None  # since the last look
        self._targets: dict[str, _Target] = {}

    def said(self, now_s: float) -> None:
        """A validated transcription has come: its translation is due. Mere speech says nothing."""
        self._said_s = now_s if self._said_s is None else self._said_s

    def look(
        self, now_s: float, *, phase: Phase, chosen: bool, heard_s: Mapping[str, float | None]
    ) -> dict[str, Programme]:
        """The programme of each target of `heard_s`, which says when its translation last had sound.

        `chosen`: a person wants the floor.
        """
        self._away_s = (now_s if self._away_s is None else self._away_s) if phase in _ON_THE_WAY else None
        self._targets = {name: self._targets.get(name) or _Target() for name in heard_s}
        for name, target in self._targets.items():
            target.due_s = self._said_s if target.due_s is None else target.due_s
            target.programme = self._programme(now_s, phase, target, heard_s[name])
        self._said_s = None
        if chosen and phase is not Phase.STOPPING:
            return dict.fromkeys(heard_s, Programme.FLOOR)
        return {name: target.programme for name, target in self._targets.items()}

    @property
    def fallen_back(self) -> bool:
        """Whether something stands in for a translation that is gone."""
        return any(target.fell_s is not None for target in self._targets.values())

    def _programme(self, now_s: float, phase: Phase, target: _Target, heard_s: float | None) -> Programme:
        if phase is Phase.LIVE:
            return self._on_air(now_s, target, heard_s)
        target.due_s, target.good_s = None, None
        if self._away_s is None:
            target.fell_s, target.unheard = None, False
            return Programme.SILENCE if phase is Phase.STOPPING else self._rules.off_air
        # What was heard off air is heard on the way to LIVE, too.
        return self._fall(now_s, target) if now_s - self._away_s >= self._rules.after_s else target.programme

    def _on_air(self, now_s: float, target: _Target, heard_s: float | None) -> Programme:
        if target.due_s is not None and heard_s is not None and heard_s >= target.due_s - LEAD_S:
            target.due_s = None
        if target.fell_s is not None:
            return self._return(now_s, target, heard_s)
        if target.due_s is not None and now_s - target.due_s >= self._rules.after_s:
            target.unheard = True
            return self._fall(now_s, target)
        return Programme.TRANSLATION

    def _fall(self, now_s: float, target: _Target) -> Programme:
        if self._rules.fallback is None:
            return target.programme
        target.fell_s = now_s if target.fell_s is None else target.fell_s
        return self._rules.fallback

    def _return(self, now_s: float, target: _Target, heard_s: float | None) -> Programme:
        """Back once the translation is as good as it was for long enough: there, and heard if it was not."""
        assert target.fell_s is not None
        is_good = target.due_s is None and (not target.unheard or (heard_s or -math.inf) >= target.fell_s)
        target.good_s = (now_s if target.good_s is None else target.good_s) if is_good else None
        if target.good_s is None or now_s - target.good_s < self._rules.return_after_s:
            return target.programme
        target.fell_s, target.good_s, target.unheard = None, None, False
        return Programme.TRANSLATION


@dataclass(slots=True)
class _Target:
    programme: Programme = Programme.TRANSLATION
    due_s: float | None = None  # when the first translation was due that has not been heard
    fell_s: float | None = None  # when something began to stand in
    good_s: float | None = None  # since when the translation is there again
    unheard: bool = False  # it fell for want of sound, not of a link
