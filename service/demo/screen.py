"""What the demo shows: a picture that moves on a terminal, a line per change elsewhere."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from service.core.audio import Level
from service.core.captions import Caption
from service.core.status import Status

CAPTIONS_SHOWN = 8
METER_WIDTH, METER_FLOOR_DBFS = 40, -60.0
COLOURS = {"link": "green", "live": "white", "alert": "yellow"}
HELP = "l next language   p the one before   space start, pause, resume   e end   m mute   i which box   q quit"


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of the box. `lit` is what the LEDs really do, `patterns` what they are told to show."""

    t_s: float
    status: Status
    patterns: Mapping[str, str]
    lit: Mapping[str, bool]
    line_in: Level
    line_out: Level


class Screen:
    """Use as a context manager; a terminal is redrawn by `show`, anything else gets lines."""

    def __init__(self, *, title: str, keys: bool) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._title, self._keys = title, keys
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._captions: OrderedDict[object, Caption] = OrderedDict()
        self._last = ""

    def __enter__(self) -> Screen:
        self.line(self._title)
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def line(self, text: str) -> None:
        """Say one thing that stays."""
        self._console.print(escape(text))

    def caption(self, caption: Caption, t_s: float) -> None:
        """Show what was said or translated; partial texts on a terminal only."""
        self._captions[caption.line] = caption
        while len(self._captions) > CAPTIONS_SHOWN:
            self._captions.popitem(last=False)
        if self._live is None and caption.final:
            self.line(f"{t_s:7.1f} s  {caption.language:>5}: {caption.text}")

    def show(self, picture: Picture) -> None:
        """Draw this moment."""
        if self._live is not None:
            self._live.update(self._drawn(picture), refresh=True)
            return
        lamps = "  ".join(f"{name.upper()} {pattern}" for name, pattern in picture.patterns.items())
        changed = f"{_story(picture.status)}   {lamps}"
        if changed != self._last:
            self._last = changed
            self.line(f"{picture.t_s:7.1f} s  {changed}")

    def _drawn(self, picture: Picture) -> Group:
        lamps = Text()
        for name, lit in picture.lit.items():
            lamps.append("● " if lit else "○ ", style=COLOURS.get(name, "cyan") if lit else "dim")
            lamps.append(f"{name.upper()}   ")
        captions = [
            Text(f"{caption.language:>5}  {caption.text}", style="" if caption.final else "dim italic")
            for caption in self._captions.values()
        ]
        return Group(
            Text(f"{picture.t_s:6.1f} s  {_story(picture.status)}", style="bold"),
            lamps,
            Text(f"line-in   {_meter(picture.line_in)}"),
            Text(f"line-out  {_meter(picture.line_out)}"),
            *captions,
            Text(HELP if self._keys else "", style="dim"),
        )


def _story(status: Status) -> str:
    wanted = status.wanted.name if status.wanted else "-"
    confirmed = status.confirmed.name if status.confirmed else "-"
    muted = ", muted" if status.muted else ""
    fault = f"   {status.fault.detail}" if status.fault else ""
    return f"{status.phase.name}{muted}   wanted {wanted}, confirmed {confirmed}{fault}"


def _meter(level: Level) -> str:
    share = (max(level.rms_dbfs, METER_FLOOR_DBFS) - METER_FLOOR_DBFS) / -METER_FLOOR_DBFS
    bar = "█" * round(METER_WIDTH * share)
    return f"{bar:<{METER_WIDTH}} peak {level.peak_hold_dbfs:6.1f} dBFS{'  CLIP' if level.clip else ''}"
