"""The lamp table in words, for whoever has to read the lamps: what the documents, the label and the API show of it."""

from __future__ import annotations

import math
from typing import Any

from service.core.errors import FaultCode
from service.core.lamps import CODES, FACES, FAST, OFF, ON, SLOW, LampClass, Pattern

PATTERNS = (OFF, ON, SLOW, FAST, *CODES.values())
PATTERN_WORDS = {
    OFF: "dark",
    ON: "steady",
    SLOW: "1 s lit, 1 s dark",
    FAST: "0.25 s lit, 0.25 s dark",
    **{pattern: f"one long flash, then {int(code)} short" for code, pattern in CODES.items()},
}
CODE_WORDS = {
    FaultCode.NETWORK: "network",
    FaultCode.CREDENTIALS: "credentials or balance",
    FaultCode.SOUND_IN: "sound in",
    FaultCode.SOUND_OUT: "sound out",
    FaultCode.SERVICE: "translation service",
    FaultCode.BOX: "the box itself: settings, clock, pins, power, heat, storage",
}
LANGUAGE_WORDS = {ON: "confirmed, and what is heard", FAST: "asked for, not confirmed yet", OFF: "another pair"}
ACKNOWLEDGED = "ALERT steady: somebody has seen the alarm (LANG held for 1 s); it calls again when its cause changes"


def rows() -> list[tuple[str, str, str, str]]:
    """LINK, LIVE, ALERT and what they mean together, the most important first."""
    named = []
    for said in LampClass:
        if said is LampClass.FAULT:
            named.append(("on (fast: no network)", OFF.name, "code", said.value))
        else:
            link, live, alert = FACES[said]
            named.append((link.name, live.name, alert.name, said.value))
    return named


def as_json() -> dict[str, Any]:
    """The table as JSON data. Steps are seconds lit, dark, lit, dark …; null is for ever."""
    return {
        "classes": [dict(zip(("link", "live", "alert", "means"), row, strict=True)) for row in rows()],
        "patterns": {
            pattern.name: {"means": PATTERN_WORDS[pattern], "steps_s": _steps(pattern)} for pattern in PATTERNS
        },
        "codes": {f"{int(code)}": words for code, words in CODE_WORDS.items()},
        "language_lamps": {pattern.name: words for pattern, words in LANGUAGE_WORDS.items()},
        "acknowledged": ACKNOWLEDGED,
    }


def _steps(pattern: Pattern) -> list[float | None]:
    return [None if step_s == math.inf else step_s for step_s in pattern.steps_s]
