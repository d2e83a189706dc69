"""What happened in a demo, as data: the file of `--report`, the summary at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.core.captions import Caption
from service.core.languages import LanguagePair
from service.core.phase import Phase
from service.core.status import Status


@dataclass(slots=True)
class Report:
    """Rows are added as things happen; every `t_s` counts from the first LIVE and may lie before it."""

    line_out: str
    started_s: float
    first_live_s: float | None = None
    phase: Phase = Phase.STARTING
    languages: list[dict[str, Any]] = field(default_factory=list)
    captions: list[dict[str, Any]] = field(default_factory=list)
    lamps: list[dict[str, Any]] = field(default_factory=list)
    _rows: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def status(self, status: Status, now_s: float) -> None:
        """The status has changed."""
        self.phase = status.phase
        if status.phase is Phase.LIVE and self.first_live_s is None:
            self.first_live_s = now_s
        row = {"wanted": _target(status.wanted), "confirmed": _target(status.confirmed)}
        self._add(self.languages, row, now_s)

    def lamp_patterns(self, patterns: Mapping[str, str], now_s: float) -> None:
        """The patterns that the lamps show, by name."""
        self._add(self.lamps, {lamp: patterns[lamp] for lamp in ("link", "live", "alert")}, now_s)

    def caption(self, caption: Caption, now_s: float) -> None:
        """A caption came."""
        row = {"kind": caption.kind, "language": caption.language, "text": caption.text}
        self._rows.append((now_s, row))
        self.captions.append(row)

    def _add(self, rows: list[dict[str, Any]], row: dict[str, Any], now_s: float) -> None:
        last = {key: value for key, value in rows[-1].items() if key != "t_s"} if rows else None
        if row != last:
            self._rows.append((now_s, row))
            rows.append(row)

    def write(self, *, frames: Mapping[str, int], xruns: Mapping[str, int]) -> dict[str, Any]:
        """The whole report as JSON data."""
        zero_s = self.started_s if self.first_live_s is None else self.first_live_s
        for at_s, row in self._rows:
            row["t_s"] = round(at_s - zero_s, 3)
        live_s = self.first_live_s
        return {
            "phase": self.phase.value,
            "time_to_live_s": None if live_s is None else round(live_s - self.started_s, 3),
            "languages": self.languages,
            "frames": dict(frames),
            "xruns": dict(xruns),
            "captions": self.captions,
            "lamps": self.lamps,
            "line_out": self.line_out,
        }


def _target(pair: LanguagePair | None) -> str | None:
    return ",".join(pair.targets) if pair is not None else None


def save(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as a JSON file."""
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
