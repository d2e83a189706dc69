"""What several verbs are told, and how a wrong value is refused."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from service import settings
from service.core.errors import BadSettings
from service.web.client import NotReachable, fetch

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


def settings_with(config: Path, table: str) -> settings.Settings:
    """The settings, in which all that `run` needs of this table is there. Raises BadSettings."""
    loaded = settings.load(config, environ=os.environ)
    for line in settings.missing_for_run(loaded):
        if line.startswith(f"{table}."):
            raise BadSettings(line)
    return loaded


def socket_of(options: argparse.Namespace) -> Path:
    """Where the daemon listens; one that has never had a good settings file listens at the default."""
    if options.socket is not None:
        return Path(options.socket)
    try:
        return Path(settings.load(options.config, environ=os.environ).http.socket)
    except BadSettings:
        return Path(settings.defaults(os.environ).http.socket)


async def daemon(options: argparse.Namespace) -> Path | None:
    """The socket of the daemon that runs. None when there is none and none was asked for, else NotReachable."""
    socket = socket_of(options)
    try:
        await fetch(socket, "/v1/status")
    except NotReachable:
        if options.socket is not None:
            raise
        return None
    return socket


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
