"""`boothd status`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from service.cli import options as common
from service.cli.exits import code_of
from service.web.client import fetch

HELP = "what the running daemon says of itself"


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    common.add_config(verb)
    common.add_socket(verb)
    verb.add_argument("--json", action="store_true", help="everything, as JSON")


def run(options: argparse.Namespace) -> int:
    """What the running daemon says of itself."""
    return code_of("status", _show(options))


async def _show(options: argparse.Namespace) -> None:
    picture = await fetch(common.socket_of(options), "/v1/status")
    print(json.dumps(picture, indent=2, ensure_ascii=False) if options.json else _told(picture))


def _told(picture: dict[str, Any]) -> str:
    """The picture for a person, a fact a line."""
    fault = picture.get("fault")
    rows = [
        ("name", picture.get("name")),
        ("phase", picture.get("phase")),
        ("wanted", picture.get("wanted")),
        ("confirmed", picture.get("confirmed")),
        ("control", picture.get("control")),
        ("muted", "yes" if picture.get("muted") else "no"),
        ("fault", fault and f"{fault['name']} (code {fault['code']}): {fault['detail']}"),
        ("settings", picture.get("settings_notice")),
        *(("notice", notice) for notice in picture.get("notices", ())),
        *((f"{way} level", f"{level['rms_dbfs']} dBFS, peak {level['peak_dbfs']}") for way, level in _levels(picture)),
    ]
    return "\n".join(f"{name:<13} {'-' if value is None else value}" for name, value in rows)


def _levels(picture: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    return list(picture.get("levels", {}).items())
