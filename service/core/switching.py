"""Which task serves a pair of the menu, and which pair is heard while a task runs.

Usually each pair is a task of its own, and a change is the cloud's to make. When `instant`, all targets of one source
are asked for in one task: a change between its pairs is made here, at once, and all of them are paid all the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.core.languages import LanguagePair, Menu


@dataclass(frozen=True, slots=True)
class Switching:
    """Of one menu; see `conflicts`."""

    menu: Menu
    instant: bool = False

    def asked(self, pair: LanguagePair) -> LanguagePair:
        """What the cloud is asked for, for this pair to be heard."""
        same = [other for other in self.menu.pairs if other.source == pair.source]
        return joined(same) if self.instant and len(same) > 1 else pair

    def heard(
        self, task: LanguagePair | None, wanted: LanguagePair, before: LanguagePair | None
    ) -> LanguagePair | None:
        """Which pair is heard while the cloud runs this task: the wanted one if the task serves it, else the one that
        was heard before, if it does; None while it runs nothing."""
        if task is None:
            return None
        for pair in (wanted, before):
            if pair is not None and self.asked(pair) == task:
                return pair
        return next((pair for pair in self.menu.pairs if self.asked(pair) == task), None)


def joined(pairs: Sequence[LanguagePair]) -> LanguagePair:
    """One task for all of them; each target keeps the options of the first pair that has it."""
    first = pairs[0]
    return LanguagePair(
        name=" + ".join(pair.name for pair in pairs),
        source=first.source,
        targets=tuple(dict.fromkeys(target for pair in pairs for target in pair.targets)),
        detectable=first.detectable,
        hotwords_glossary_ids=first.hotwords_glossary_ids,
        verification_glossary_ids=first.verification_glossary_ids,
        parts=tuple(pairs),
    )


# What one task has once, whatever its targets.
_OF_THE_SOURCE = {
    "detectable": "detectable_languages",
    "hotwords_glossary_ids": "hotwords_glossaries",
    "verification_glossary_ids": "verification_glossaries",
}
_OF_THE_TARGET = {
    "voice_id": "voice_id",
    "translation_glossary_ids": "translation_glossaries",
    "desired_queue_level_ms": "desired_queue_level",
    "max_queue_level_ms": "max_queue_level",
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """The pair at `place` and an earlier one cannot be in one task: they differ in this key of the settings."""

    place: int
    key: str
    earlier: str = field(default="")


def conflicts(menu: Menu) -> Iterator[Conflict]:
    """Why an instant switch is impossible in this menu."""
    for place, pair in enumerate(menu.pairs):
        for earlier in menu.pairs[:place]:
            if earlier.source != pair.source:
                continue
            keys = dict(_OF_THE_SOURCE)
            if set(earlier.targets) & set(pair.targets):
                keys |= _OF_THE_TARGET
            for name, key in keys.items():
                if getattr(earlier, name) != getattr(pair, name):
                    yield Conflict(place, key, earlier.name)
