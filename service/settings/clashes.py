"""Mistakes that only show when several values are seen together, each with the key it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

TYPE = "clashes"


@dataclass(frozen=True, slots=True)
class Clash:
    """`at` is the path of the later key, below the field that is being validated."""

    at: tuple[str | int, ...]
    text: str


def refuse(clashes: Iterable[Clash]) -> None:
    """Raise one validation error that carries all of them; nothing when there are none."""
    found = tuple(clashes)
    if found:
        raise PydanticCustomError(TYPE, "values clash", {TYPE: found})
