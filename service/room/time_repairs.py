"""aiortc and aioice measure durations by the time of day. Here they get clocks that nobody sets.

After a step of years a receiver's jitter does not fit its report: its RTCP ends with struct.error, and closing waits
for it for ever. A data channel's time-out becomes a minute, and sender reports tell the far end of another epoch.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aioice.turn
from aiortc import clock, rtcrtpreceiver, rtcrtpsender, rtcsctptransport

_MODULES: tuple[Any, ...] = (rtcrtpreceiver, rtcrtpsender, rtcsctptransport, aioice.turn)
_BEGAN, _BEGAN_S = datetime.now(UTC), time.monotonic()


class Steady:
    """In place of the module `time`: of that they use `time.time` alone, and only differences of it."""

    time = staticmethod(time.monotonic)


def install() -> None:
    """Apply it to the process; doing it again changes nothing."""
    for module in _MODULES:
        module.time = Steady
    clock.current_datetime = _now


def _now() -> datetime:
    """The time of day as this process believes it since its start."""
    return _BEGAN + timedelta(seconds=time.monotonic() - _BEGAN_S)
