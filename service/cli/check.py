"""`boothd check`."""

from __future__ import annotations

import argparse
import os
import sys

from service import settings
from service.cli import options as common
from service.core.errors import BadSettings
from service.core.exit_codes import CONFIGURATION, OK

HELP = "show the effective settings, or every mistake in them"


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    common.add_config(verb)


def run(options: argparse.Namespace) -> int:
    """Show the effective settings; every mistake, and what `run` would still need, goes to stderr with exit 78.

    What is possible but hardly meant goes there, too.
    """
    try:
        loaded = settings.load(options.config, environ=os.environ)
    except BadSettings as error:
        print(error, file=sys.stderr)
        return CONFIGURATION
    print(settings.effective(loaded), end="")
    missing = settings.missing_for_run(loaded)
    print("".join(f"{line}\n" for line in missing + loaded.unheard()), end="", file=sys.stderr)
    return CONFIGURATION if missing else OK
