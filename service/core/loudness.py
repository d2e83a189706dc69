"""A level in words for those who do not read decibels (appliance 1b, "Level display")."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from service.core.audio import Level

# Of the held peak. Ours: a mixer set for -18 dBFS puts the peaks of speech between -12 and -6.
TOO_QUIET_DBFS, TOO_LOUD_DBFS = -30.0, -3.0


def in_words(level: Level) -> str:
    """What to make of it."""
    if level.clip:
        return "clipping"
    if level.silent:
        return "silent"
    if level.peak_hold_dbfs > TOO_LOUD_DBFS:
        return "too loud"
    return "good" if level.peak_hold_dbfs >= TOO_QUIET_DBFS else "too quiet"


def as_json(level: Level) -> dict[str, Any]:
    """The level as JSON data, with the word."""
    return {**asdict(level), "word": in_words(level)}
