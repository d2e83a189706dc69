"""The verbs of `boothd` and their exit codes (appliance 5.5)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from service import settings
from service.core.errors import BadSettings

OK = 0
USAGE = 1
CONFIGURATION = 78  # EX_CONFIG of sysexits.h

DEFAULT_CONFIG = Path("/etc/boothd/boothd.toml")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one verb and exit with its code."""
    parser = argparse.ArgumentParser(prog="boothd", description="An interpretation booth in a box.")
    verbs = parser.add_subparsers(metavar="VERB")

    verb = verbs.add_parser("check", help="show the effective settings, or every mistake in them")
    _config_option(verb)
    verb.set_defaults(run=check)

    options = parser.parse_args(argv)
    if not hasattr(options, "run"):
        parser.print_help()
        sys.exit(USAGE)
    sys.exit(options.run(options))


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


def _config_option(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"settings file (default {DEFAULT_CONFIG})"
    )
