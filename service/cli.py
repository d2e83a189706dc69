"""The verbs of `boothd` and their exit codes (appliance 5.5). What a verb needs is imported when it runs."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from service import settings
from service.core.devices import GRAMMAR
from service.core.errors import BadSettings
from service.core.languages import parse_code
from service.settings.values import device

OK = 0
USAGE = 1
REFUSED_ARGUMENT = 2
NOT_REACHABLE = 3
CONFIGURATION = 78  # EX_CONFIG of sysexits.h

T = TypeVar("T")

DEFAULT_CONFIG = Path("/etc/boothd/boothd.toml")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one verb and exit with its code."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not hasattr(options, "run"):
        parser.print_help()
        sys.exit(USAGE)
    sys.exit(options.run(options))


def run(options: argparse.Namespace) -> int:
    """The daemon, until SIGTERM. A broken settings file does not end it: it shows the fault and heals."""
    from service.daemon import Daemon
    from service.system import logs

    logs.set_up(environ=os.environ)
    asyncio.run(Daemon(options.config, environ=os.environ).run())
    return OK


def check(options: argparse.Namespace) -> int:
    """Show the effective settings; every mistake, and what `run` would still need, goes to stderr with exit 78."""
    try:
        loaded = settings.load(options.config, environ=os.environ)
    except BadSettings as error:
        print(error, file=sys.stderr)
        return CONFIGURATION
    print(settings.effective(loaded), end="")
    missing = settings.missing_for_run(loaded)
    print("".join(f"{line}\n" for line in missing), end="", file=sys.stderr)
    return CONFIGURATION if missing else OK


def status(options: argparse.Namespace) -> int:
    """What the running daemon says of itself."""
    from service.web.server import NotReachable, fetch_status

    try:
        picture = asyncio.run(fetch_status(options.socket or _socket(options.config)))
    except NotReachable as problem:
        print(f"boothd status: {problem}", file=sys.stderr)
        return NOT_REACHABLE
    print(json.dumps(picture, indent=2, ensure_ascii=False) if options.json else _told(picture))
    return OK


def sandbox(options: argparse.Namespace) -> int:
    """Our own small Palabra, until it is stopped."""
    from service.sandbox import faults, server

    if options.list_faults:
        print(faults.listing())
        return OK
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="boothd sandbox: %(message)s")
    host, _, port = options.listen.rpartition(":")
    try:
        keys = server.load_keys(options.credentials) if options.credentials else server.new_keys()
        serving = server.serve(
            host=host.strip("[]"),
            port=int(port),
            keys=keys,
            faults=options.fault,
            livekit=server.livekit_at(options.livekit, os.environ) if options.livekit else None,
            until_eof=options.until_eof,
        )
        asyncio.run(serving)
    except (OSError, ValueError) as problem:
        print(f"boothd sandbox: {problem}", file=sys.stderr)
        return REFUSED_ARGUMENT
    except KeyboardInterrupt:
        pass
    return OK


def demo(options: argparse.Namespace) -> int:
    """Sandbox and box on this desk."""
    from service.demo import desk

    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="boothd demo: %(message)s")
    return asyncio.run(
        desk.run(
            desk.Options(
                line_in=options.line_in or desk.bundled_recording(),
                line_out=options.line_out,
                seconds=options.seconds,
                script=options.script,
                report=options.report,
                targets=options.target,
            )
        )
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="boothd", description="An interpretation booth in a box.")
    verbs = parser.add_subparsers(metavar="VERB")

    verb = verbs.add_parser("run", help="the daemon")
    _config_option(verb)
    verb.set_defaults(run=run)

    verb = verbs.add_parser("check", help="show the effective settings, or every mistake in them")
    _config_option(verb)
    verb.set_defaults(run=check)

    verb = verbs.add_parser("status", help="what the running daemon says of itself")
    _config_option(verb)
    verb.add_argument("--socket", type=Path, metavar="PATH", help="the daemon's socket, if the settings do not name it")
    verb.add_argument("--json", action="store_true", help="everything, as JSON")
    verb.set_defaults(run=status)

    verb = verbs.add_parser("demo", help="box and sandbox on this desk, without account or hardware")
    _demo_options(verb)
    verb.set_defaults(run=demo)

    verb = verbs.add_parser("sandbox", help="our own small Palabra")
    verb.add_argument("--listen", default="127.0.0.1:8080", type=_address, metavar="HOST:PORT", help="port 0: any free")
    verb.add_argument("--credentials", type=Path, metavar="FILE", help="keeps ids, secrets and key over restarts")
    verb.add_argument(
        "--livekit", metavar="URL", help="rooms on this LiveKit server; its key in LIVEKIT_API_KEY, LIVEKIT_API_SECRET"
    )
    verb.add_argument("--fault", action="append", default=[], metavar="NAME[=VALUE]", help="misbehave; may be repeated")
    verb.add_argument("--list-faults", action="store_true", help="every fault there is")
    verb.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    verb.set_defaults(run=sandbox)
    return parser


def _config_option(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"settings file (default {DEFAULT_CONFIG})"
    )


def _demo_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--line-in", type=_device, metavar="URI", help=f"{GRAMMAR} (default: the bundled recording)")
    verb.add_argument(
        "--line-out", type=_device, default="wav:boothd-demo.wav", metavar="URI", help="default: %(default)s"
    )
    verb.add_argument("--seconds", type=_seconds, metavar="N", help="end so long after the first LIVE")
    verb.add_argument("--script", type=_script, default=(), metavar="TEXT", help='"8 lang; 14 mute; 16 mute; 20 live"')
    verb.add_argument("--report", type=_new_file, metavar="FILE", help="write what happened as JSON")
    verb.add_argument("--target", type=_targets, default="es,fr,de,it", metavar="CODES", help="default: %(default)s")


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not host or not colon or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not HOST:PORT, for example 127.0.0.1:8080')
    return text


def _device(text: str) -> str:
    return _or_usage(lambda: device(text))


def _targets(text: str) -> tuple[str, ...]:
    codes = _or_usage(lambda: tuple(parse_code(code.strip()) for code in text.split(",")))
    if len(set(codes)) < len(codes):
        raise argparse.ArgumentTypeError(f'"{text}" names a language twice')
    return codes


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds')
    return seconds


def _script(text: str) -> tuple[object, ...]:
    from service.demo.script import parse_script

    return _or_usage(lambda: tuple(parse_script(text)))


def _new_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written: it is a folder, or its folder does not exist")
    return path


def _or_usage(parse: Callable[[], T]) -> T:
    try:
        return parse()
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _socket(config: Path) -> Path:
    """Where a daemon with this settings file listens; one that has never had a good file listens at the default."""
    try:
        return Path(settings.load(config, environ=os.environ).http.socket)
    except BadSettings:
        return Path(settings.defaults(os.environ).http.socket)


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
