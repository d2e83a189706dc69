"""`boothd status`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from service.cli import options as common
from service.cli.exits import code_of
from service.web.client import fetch, follow

CLEAR = "\x1b[H\x1b[2J"
HELP = "what the running daemon says of itself"


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    common.add_config(verb)
    common.add_socket(verb)
    verb.add_argument("--json", action="store_true", help="everything, as JSON")
    verb.add_argument(
        "--watch", action="store_true", help="after every change, until Ctrl-C: all of it on a terminal, else a line"
    )


def run(options: argparse.Namespace) -> int:
    """What the running daemon says of itself."""
    return code_of("status", _show(options))


async def _show(options: argparse.Namespace) -> None:
    socket = common.socket_of(options)
    if not options.watch:
        picture = await fetch(socket, "/v1/status")
        print(json.dumps(picture, indent=2, ensure_ascii=False) if options.json else _told(picture))
        return
    line = None
    async for picture in follow(socket, "/v1/events"):
        if options.json:
            print(json.dumps(picture, ensure_ascii=False), flush=True)
        elif sys.stdout.isatty():
            print(f"{CLEAR}{_told(picture)}", flush=True)
        elif picture["summary"] != line:
            line = picture["summary"]
            print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _told(picture: dict[str, Any]) -> str:
    """The picture for a person, a fact a line."""
    fault, floor = picture.get("fault"), picture.get("floor", {})
    rows = [
        ("name", picture.get("name")),
        ("phase", f"{picture.get('phase')}{', nobody speaks' if picture.get('idle') else ''}"),
        ("wanted", picture.get("wanted")),
        ("confirmed", picture.get("confirmed")),
        ("control", picture.get("control")),
        ("session", _session(picture)),
        ("muted", "yes" if picture.get("muted") else "no"),
        ("floor", "chosen" if floor.get("chosen") else "stands in" if floor.get("fallback") else "no"),
        ("fault", fault and f"{fault['name']} (code {fault['code']}): {fault['detail']}"),
        ("last fault", _last_fault(picture)),
        ("settings", picture.get("settings_notice")),
        *(("notice", notice) for notice in picture.get("notices", ())),
        *(("lost", lost) for lost in _lost(picture)),
        *((f"{way} level", f"{level['rms_dbfs']} dBFS, peak {level['peak_dbfs']}") for way, level in _levels(picture)),
    ]
    return "\n".join(f"{name:<13} {'-' if value is None else value}" for name, value in rows)


def _last_fault(picture: dict[str, Any]) -> str | None:
    last = picture.get("last_fault")
    return None if last is None or picture.get("fault") else f"{last['name']} (code {last['code']}): {last['detail']}"


def _session(picture: dict[str, Any]) -> str | None:
    paid = picture.get("paid_s")
    if paid is None:
        return None
    age_s = picture.get("session_age_s")
    open_for = "none" if age_s is None else duration(age_s)
    return f"{open_for}; paid {duration(paid['session'])}, ever {duration(paid['total'])}"


def duration(seconds: float) -> str:
    """ "2 h 05 min 09 s", without what is zero in front."""
    hours, minutes, rest = int(seconds) // 3600, int(seconds) // 60 % 60, int(seconds) % 60
    if hours:
        return f"{hours} h {minutes:02d} min {rest:02d} s"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _lost(picture: dict[str, Any]) -> list[str]:
    """Every card that is not there."""
    devices = picture.get("devices", {})
    cards = [devices.get("input", {}), *devices.get("outputs", ())]
    return [card["lost"] for card in cards if card.get("lost")]


def _levels(picture: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    return list(picture.get("levels", {}).items())
