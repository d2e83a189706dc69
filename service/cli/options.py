"""What several verbs are told, and how a wrong value is refused."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from service import settings
from service.core.errors import BadSettings

DEFAULT_CONFIG = Path("/etc/boothd/boothd.toml")

T = TypeVar("T")


def add_config(verb: argparse.ArgumentParser) -> None:
    """--config FILE."""
    verb.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"settings file (default {DEFAULT_CONFIG})"
    )


def add_socket(verb: argparse.ArgumentParser) -> None:
    """--socket PATH."""
    verb.add_argument("--socket", type=Path, metavar="PATH", help="the daemon's socket, if the settings do not name it")


def socket_of(config: Path) -> Path:
    """Where a daemon with this settings file listens; one that has never had a good file listens at the default."""
    try:
        return Path(settings.load(config, environ=os.environ).http.socket)
    except BadSettings:
        return Path(settings.defaults(os.environ).http.socket)


def seconds(text: str) -> float:
    """A duration as an argument: up to a day."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds')
    return value


def or_usage(parse: Callable[[], T]) -> T:
    """What it gives; a ValueError's sentence becomes the parser's."""
    try:
        return parse()
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
