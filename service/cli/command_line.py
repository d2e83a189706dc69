"""`boothd VERB OPTIONS`, and the exit code of the verb."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

from service.cli import check, demo, devices, label, levels, orders, run, sandbox, status, tone
from service.core import exit_codes
from service.core.exit_codes import USAGE

VERBS: dict[str, Any] = {
    **{"run": run, "check": check, "status": status},
    **orders.VERBS,
    **{"devices": devices, "levels": levels, "tone": tone, "label": label, "demo": demo, "sandbox": sandbox},
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run one verb and exit with its code."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not hasattr(options, "run"):
        parser.print_help()
        sys.exit(USAGE)
    code = options.run(options)
    if argv is None:
        leave_threads(code)
    sys.exit(code)


def leave_threads(code: int) -> None:
    """Exit at once where the thread of a card was left behind, since it hangs or is late. The interpreter's own end
    would stop it wherever it is, and in the middle of soxr's C++ that aborts the process."""
    if any(thread.name.startswith("line-") for thread in threading.enumerate()):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    codes = ", ".join(f"{code} {words}" for code, words in exit_codes.WORDS.items())
    parser = _Parser(prog="boothd", description="An interpretation booth in a box.", epilog=f"Exit codes: {codes}.")
    verbs = parser.add_subparsers(metavar="VERB")
    for name, verb in VERBS.items():
        one = verbs.add_parser(name, help=verb.HELP)
        verb.add_options(one)
        one.set_defaults(run=verb.run, verb=name)
    return parser
