"""The rows of the conformance list, and the table of what came out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.conformance.servers import NAMES

ALONE = "scripted"  # no server at all, or one that this test made to lie
COLUMNS = (*NAMES, ALONE)
ROW = re.compile(r"test_row_(\d+)_")


@dataclass(frozen=True, slots=True)
class Row:
    """What the row asks, and why some of its cells are empty."""

    title: str
    remark: str = ""


ROWS: dict[int, Row] = {
    1: Row("URLs of every form", "paths, IPv6 and TLS need a proxy or a certificate before a real server"),
    2: Row("token in the header, then the query, never shown"),
    3: Row("each refusal in its class", "a healthy server refuses tokens only; the rest is scripted"),
    4: Row("no join: given up in time"),
    5: Row("hears and is heard, old mode and new", "1.8.4 is the old mode, 1.13.5 the new one, the embedded both"),
    6: Row("frames that mean nothing are survived", "told by the relay, in a session of the server's"),
    7: Row("pings, silence, interval 0", "intervals rewritten by the relay"),
    8: Row("ids of offers and answers", "stale answers told by the relay"),
    9: Row("three offers back to back", "servers wait for each answer; only a scripted one does not"),
    10: Row("early, foreign and missing candidates", "put in order by the relay"),
    11: Row("second offer while connecting"),
    12: Row("tracks come and go three times"),
    13: Row("two tracks swapped on their m-lines", "swapped in the offer by the relay"),
    14: Row("cid is the msid token, either order"),
    15: Row("a track refused, or not answered"),
    16: Row("data both ways", "a topic comes by the server API, so not from the embedded room"),
    17: Row("sequence numbers of reliable data"),
    18: Row("data before its sender is known", "the update is held back by the relay"),
    19: Row("muted by the server", "by the server API; told by the relay to the embedded room's client"),
    20: Row("own track unpublished", "by the server API; told by the relay to the embedded room's client"),
    21: Row("signalling reset, and refused for 3 s", "the embedded room does not resume (see its row 36)"),
    22: Row("resume refused in five ways", "the refusals are told by the relay"),
    23: Row("media blocked for 5, 8, 12, 19 and 45 s", "the embedded room, which does not resume, for 12 s"),
    24: Row(
        "everything blocked for 1, 5 and 60 min",
        "time-scaled: 8 s, the patiences of the link in proportion, 2 s at least",
    ),
    25: Row("700 ms round trip, 10 % and 30 % loss", "time-scaled: 20 s instead of 5 min"),
    26: Row("local address gone", "the list of the host's addresses is told, the connection is real"),
    27: Row("each reason to leave", "told by the relay, but for the duplicate"),
    28: Row("newest token, first one expired", "told by the relay"),
    29: Row("server killed and restarted, drained", "the embedded room is a process of its own in test_daemon"),
    30: Row("stopped in every stage"),
    31: Row("late events of a dead link"),
    32: Row("soak", "time-scaled: two minutes, on one server; forty by hand, see tests/bench"),
    33: Row("rights that the token lacks"),
    41: Row("private members of aiortc and aioice", "needs no server"),
}


class Results:
    """The worst of each cell. A test stands in the column that its parameters name, else in the last one."""

    ORDER = ("pass", "skip", "FAIL")

    def __init__(self, rows: Mapping[int, Row] = ROWS, columns: Sequence[str] = COLUMNS) -> None:
        self._rows, self._columns = rows, columns
        self._column = re.compile(rf"[\[-]({'|'.join(map(re.escape, columns[:-1]))})[\]-]")
        self._width = max(len(row.title) for row in rows.values())
        self._cells: dict[tuple[int, str], str] = {}

    def __bool__(self) -> bool:
        return bool(self._cells)

    def add(self, report: pytest.TestReport) -> None:
        """Take one report of any phase of any test."""
        found = ROW.search(report.nodeid)
        if found is None or (report.passed and report.when != "call"):
            return
        named = self._column.search(report.nodeid)
        row, column = int(found[1]), named[1] if named else self._columns[-1]
        expected = hasattr(report, "wasxfail")  # a failure all the same
        outcome = "FAIL" if expected else {"passed": "pass", "skipped": "skip"}.get(report.outcome, "FAIL")
        cell = self._cells.get((row, column), "pass")
        self._cells[row, column] = max(cell, outcome, key=self.ORDER.index)

    def table(self) -> str:
        """All rows; an empty cell has its reason at the end of the line."""
        lines = [f"{'row':>3}  {'':<{self._width}} " + " ".join(f"{name:<10}" for name in self._columns)]
        for number, row in sorted(self._rows.items()):
            cells = " ".join(f"{self._cells.get((number, name), '-'):<10}" for name in self._columns)
            lines.append(f"{number:>3}  {row.title:<{self._width}} {cells} {row.remark}".rstrip())
        return "\n".join(lines)
