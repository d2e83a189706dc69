"""`boothd demo`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from service.cli import options as common
from service.core.devices import GRAMMAR
from service.core.languages import parse_code
from service.settings.values import device

HELP = "box and sandbox on this desk, without account or hardware"


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    verb.add_argument("--line-in", type=_device, metavar="URI", help=f"{GRAMMAR} (default: the bundled recording)")
    verb.add_argument(
        "--line-out", type=_device, default="wav:boothd-demo.wav", metavar="URI", help="default: %(default)s"
    )
    verb.add_argument("--seconds", type=common.seconds, metavar="N", help="end so long after the first LIVE")
    verb.add_argument("--script", type=_script, default=(), metavar="TEXT", help='"8 lang; 14 mute; 16 mute; 20 live"')
    verb.add_argument("--report", type=_new_file, metavar="FILE", help="write what happened as JSON")
    verb.add_argument("--target", type=_targets, default="es,fr,de,it", metavar="CODES", help="default: %(default)s")


def run(options: argparse.Namespace) -> int:
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


def _device(text: str) -> str:
    return common.or_usage(lambda: device(text))


def _targets(text: str) -> tuple[str, ...]:
    codes = common.or_usage(lambda: tuple(parse_code(code.strip()) for code in text.split(",")))
    if len(set(codes)) < len(codes):
        raise argparse.ArgumentTypeError(f'"{text}" names a language twice')
    return codes


def _script(text: str) -> tuple[object, ...]:
    from service.demo.script import parse_script

    return common.or_usage(lambda: tuple(parse_script(text)))


def _new_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written: it is a folder, or its folder does not exist")
    return path
