"""Language pairs, their order on the LANG button, and the names of translated tracks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

TRACK_PREFIX = "translation_"
AUTO = "auto"  # as a source: the cloud finds out which of the detectable languages is spoken
CODE = re.compile(r"^[a-z]{2,3}(-[a-z]{2,4})?$")
# Country codes that are taken for languages; none of them is a language of palabra-api 4.8.
_COUNTRIES = {"cn": "zh", "cz": "cs", "dk": "da", "gr": "el", "jp": "ja", "kr": "ko", "ua": "uk", "vn": "vi"}
_FILLED_IN = {"en": "en-us", "zh": "zh-hans"}  # what the cloud makes of them as targets (palabra-api 4.8)


@dataclass(frozen=True, slots=True)
class LanguagePair:
    """One choice of the LANG button: a source, its targets, and the documented options of both.

    Codes are lower-case (palabra-api 4.8); `source` may be "auto", then `detectable` lists the candidates.
    Queue levels in milliseconds; None leaves the server's default. `parts` are the pairs that one task serves together.
    """

    name: str
    source: str
    targets: tuple[str, ...]
    detectable: tuple[str, ...] = ()
    voice_id: str | None = None
    hotwords_glossary_ids: tuple[str, ...] = ()
    verification_glossary_ids: tuple[str, ...] = ()
    translation_glossary_ids: tuple[str, ...] = ()
    desired_queue_level_ms: int | None = None
    max_queue_level_ms: int | None = None
    parts: tuple[LanguagePair, ...] = ()

    def part_for(self, target: str) -> LanguagePair:
        """Whose options this target has."""
        return next((part for part in self.parts if target in part.targets), self)


@dataclass(frozen=True, slots=True)
class Menu:
    """The pairs in button order; never empty."""

    pairs: tuple[LanguagePair, ...] = field(default=())

    def after(self, pair: LanguagePair) -> LanguagePair:
        """The pair that follows, the first one after the last."""
        return self.pairs[(self.pairs.index(pair) + 1) % len(self.pairs)]

    def before(self, pair: LanguagePair) -> LanguagePair:
        """The pair that precedes, the last one before the first."""
        return self.pairs[self.pairs.index(pair) - 1]


def parse_code(text: str) -> str:
    """The language code in the cloud's writing, "EN-us" -> "en-us"; whether it is offered, the cloud decides.

    Raises ValueError with one sentence that says what to write instead (palabra-api 4.8).
    """
    code = text.lower()
    if code in _COUNTRIES:
        raise ValueError(f'"{text}" is a country; the language is "{_COUNTRIES[code]}"')
    if CODE.fullmatch(code):
        return code
    if CODE.fullmatch(code.replace("_", "-")):
        raise ValueError(f'"{text}" is written with a hyphen: "{code.replace("_", "-")}"')
    raise ValueError(f'"{text}" is not a language code; write for example "en", "pt-br" or "zh-hans"')


def language_of_track(name: str) -> str | None:
    """The language of a translated track by its name, None for any other track (palabra-api 2.5)."""
    lowered = name.lower()
    return lowered.removeprefix(TRACK_PREFIX) if lowered.startswith(TRACK_PREFIX) else None


def base_code(language: str) -> str:
    """The language without its region: "en-us" -> "en"."""
    return language.split("-", 1)[0]


def pair_named(source: str | None, targets: tuple[str, ...], pairs: Iterable[LanguagePair]) -> LanguagePair | None:
    """Which pair the cloud's echo of a task names; what it left out (None, empty) matches everything.

    Word for word first, then as the cloud fills codes in: a source loses its region, "en" becomes "en-us", "zh"
    becomes "zh-hans" (palabra-api 3.4, 4.8). So "pt-br" is never taken for a wanted "pt" while "pt-br" is among
    `pairs`; of equals, the first.
    """
    candidates = tuple(pairs)
    for same in (_same_target, _filled_in_target):
        for pair in candidates:
            source_fits = source is None or source in (pair.source, base_code(pair.source))
            asked, echoed = set(pair.targets), set(targets)
            targets_fit = len(asked) == len(echoed) and all(any(same(a, e) for e in echoed) for a in asked)
            if source_fits and (not targets or targets_fit):
                return pair
    return None


def _same_target(asked: str, echoed: str) -> bool:
    return asked == echoed


def _filled_in_target(asked: str, echoed: str) -> bool:
    return asked in (echoed, base_code(echoed))


def same_language(target: str, languages: Iterable[str]) -> str | None:
    """Which of these is the target: by its code, else by its base code."""
    candidates = tuple(languages)
    if target in candidates:
        return target
    return next((language for language in candidates if base_code(language) == base_code(target)), None)


def pick_track(target: str, languages: tuple[str, ...], *, others: Iterable[str] = ()) -> str | None:
    """Which of the tracks that are there carries this target: by its code, by its base code, or the only one.

    One that is named for one of the `others`, the targets that may be asked for besides, is not taken: it is theirs, or
    a track of before, which goes away. What the cloud fills in when no region is said is the target's own all the same.
    """
    if target in languages:
        return target
    known = set(others)
    same = same_language(target, [each for each in languages if each == _FILLED_IN.get(target) or each not in known])
    if same is not None:
        return same
    if len(languages) != 1 or base_code(languages[0]) in {base_code(other) for other in known}:
        return None
    return languages[0]
