"""What a setting may be. Each check says what is wrong with a value in the service's manner, None if nothing is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Check = Callable[[object], str | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """One documented setting. Null counts as absent; without a default it is required."""

    check: Check
    default: Any = None
    required: bool = False


Table = Mapping[str, "Setting | Table"]


def boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else "Input should be a valid boolean"


def text(value: object) -> str | None:
    return None if isinstance(value, str) else "Input should be a valid string"


def text_of(shortest: int, longest: int) -> Check:
    def check(value: object) -> str | None:
        fits = isinstance(value, str) and shortest <= len(value) <= longest
        return None if fits else f"Input should be a string of {shortest} to {longest} characters"

    return check


def texts(value: object) -> str | None:
    good = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    return None if good else "Input should be a valid list of strings"


def number(low: float, high: float = 1e9, *, whole: bool = False) -> Check:
    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            return f"Input should be a valid {'integer' if whole else 'number'}"
        if not low <= value <= high:
            return f"Input should be between {low} and {high}"
        return None

    return check


def one_of(*permitted: str) -> Check:
    names = ", ".join(repr(name) for name in permitted[:-1])
    expected = f"{names} or {permitted[-1]!r}" if names else repr(permitted[-1])
    return lambda value: None if value in permitted else f"Input should be {expected}"


def some_of(*permitted: str) -> Check:
    each = one_of(*permitted)

    def check(value: object) -> str | None:
        if not isinstance(value, list):
            return "Input should be a valid list"
        return next((wrong for entry in value if (wrong := each(entry))), None)

    return check
