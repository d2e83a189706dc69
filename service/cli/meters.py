"""Levels as a terminal and a log show them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

CELLS, LEAST_DBFS = 30, -60

Picture = dict[str, Any]


def sentence(picture: Picture) -> str:
    """The picture in one line of text."""
    told = []
    for name, line in _lines(picture):
        if not line["open"]:
            told.append(f"{name}: {line['lost'] or 'not open'}")
        told += [f"{name} {channel} {figures}" for channel, _, figures in _channels(line)]
    return "; ".join(told)


def rows(picture: Picture) -> Iterator[str]:
    """The picture as bars, a row for each channel."""
    for name, line in _lines(picture):
        yield f"{name:<9} {line['device']}" + ("" if line["open"] else f": {line['lost'] or 'not open'}")
        yield from (f"  {channel:<7} [{bar}] {figures}" for channel, bar, figures in _channels(line))


class Screen:
    """A terminal on which each picture takes the place of the one before."""

    def __init__(self) -> None:
        self._height = 0

    def drawn(self, picture: Picture) -> str:
        """What to write to it."""
        width = shutil.get_terminal_size().columns - 1  # a row that wraps would be two
        shown = [f"{row[:width]}\x1b[K\n" for row in rows(picture)]
        up = f"\x1b[{self._height}A" if self._height else ""
        self._height = len(shown)
        return up + "".join(shown) + "\x1b[J"


def _lines(picture: Picture) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every line by its name in the settings."""
    for name, key in (("line-in", "inputs"), ("line-out", "outputs")):
        yield from ((name, line) for line in picture[key])


def _channels(line: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each by its name, as a bar and in figures. Of line-in only one is `heard`."""
    for channel, level in line["levels"].items():
        word = level["word"] if line.get("heard", channel) == channel else f"{level['word']} (not used)"
        yield channel, _bar(level), f"{level['rms_dbfs']:6.1f} dBFS, peak {level['peak_hold_dbfs']:6.1f}, {word}"


def _bar(level: dict[str, Any]) -> str:
    cells = ["#"] * _place(level["rms_dbfs"])
    cells += [" "] * (CELLS - len(cells))
    if (held := _place(level["peak_hold_dbfs"])) > 0:
        cells[held - 1] = "|"
    return "".join(cells)


def _place(dbfs: float) -> int:
    return min(CELLS, max(0, round((dbfs - LEAST_DBFS) * CELLS / -LEAST_DBFS)))
