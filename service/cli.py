"""The verbs of `boothd` and their exit codes (appliance 5.5)."""

from __future__ import annotations

import argparse
import sys


def main() -> None:
    """Run one verb and exit with its code."""
    parser = argparse.ArgumentParser(prog="boothd", description="An interpretation booth in a box.")
    parser.parse_args()
    parser.print_help(sys.stderr)
    sys.exit(1)
