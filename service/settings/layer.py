"""One source of settings: what it says, and where it says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]  # keys and list positions from the top: ("pair", 0, "source")


@dataclass(frozen=True, slots=True)
class Layer:
    """`place` names the file and line, or the variable, of a path that the layer holds, or of its nearest parent."""

    data: dict[str, Any]
    place: Callable[[Path], str]


def place_of(path: Path, layers: Sequence[Layer]) -> str:
    """Where the effective value at `path` was written; for a missing one, where its parent was. Highest layer first."""
    owners = layers
    known = 0
    while known < len(path):
        holding = [layer for layer in owners if _holds(layer.data, path[: known + 1])]
        if not holding:
            break
        known += 1
        # Tables are merged over the layers; a list comes whole from the highest one.
        owners = holding[:1] if isinstance(_at(holding[0].data, path[:known]), list) else holding
    return owners[0].place(path[:known]) if known else "settings"


def _holds(data: Any, path: Path) -> bool:
    try:
        _at(data, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data
