"""`boothd run`."""

from __future__ import annotations

import argparse
import asyncio
import os

from service.cli import options as common
from service.core.exit_codes import OK

HELP = "the daemon"


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    common.add_config(verb)


def run(options: argparse.Namespace) -> int:
    """The daemon, until SIGTERM. A broken settings file does not end it: it shows the fault and heals."""
    from service.daemon import Daemon
    from service.system import dumps, logs

    logs.set_up(environ=os.environ)
    dumps.forbid()
    asyncio.run(Daemon(options.config, environ=os.environ).run())
    return OK
