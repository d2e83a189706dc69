"""The exit codes of `boothd` (appliance 5.5)."""

from __future__ import annotations

OK = 0
USAGE = 1
REFUSED_ARGUMENT = 2
NOT_REACHABLE = 3
CONFIGURATION = 78  # EX_CONFIG of sysexits.h
