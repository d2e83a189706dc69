"""The machine's clock, and what there is to be known of it. Only looks: nothing here sets anything."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable
from pathlib import Path

from service.core.clock import ClockSigns

# systemd-timesyncd makes the folder when it starts, and the file once it has set the clock.
TIMESYNCD, SYNCHRONISED = "run/systemd/timesync", "run/systemd/timesync/synchronized"
# Those of the others, whose word is the kernel's alone: chrony, ntpd and ntpsec, openntpd.
OTHERS = ("run/chrony", "run/ntpd.pid", "run/ntpd.sock")

_STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    """The head of the kernel's struct timex, with room for what follows (adjtimex(2))."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


class Clock:
    """`written` are files and folders of files that were written when it was not later than now."""

    def __init__(self, *, written: Iterable[Path] = (), root: Path = Path("/")) -> None:
        self._root = root
        self._past_s = max((_modified_s(path) for path in _files(written)), default=0.0)

    @staticmethod
    def now_s() -> float:
        """The time of day, in seconds since 1970."""
        return time.time()

    def signs(self) -> ClockSigns:
        """What tells of the clock now."""
        kernel = kernel_says_synchronised()
        return ClockSigns(
            synchronised=bool(kernel) or self._there(SYNCHRONISED),
            # Where the kernel may not be asked, as in our unit, nobody hears what the others have to say.
            in_time=self._there(TIMESYNCD) or (kernel is not None and any(map(self._there, OTHERS))),
            now_s=self.now_s(),
            past_s=self._past_s,
        )

    def _there(self, path: str) -> bool:
        try:
            return (self._root / path).exists()
        except OSError:
            return False


def kernel_says_synchronised() -> bool | None:
    """What any time service has told the kernel; None where that may not be asked (ProtectClock, a container)."""
    answer = _Timex()
    try:
        asked = ctypes.CDLL(None).adjtimex(ctypes.byref(answer))
    except (OSError, AttributeError):
        return None
    return None if asked < 0 else not answer.status & _STA_UNSYNC


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        try:
            yield from path.iterdir() if path.is_dir() else (path,)
        except OSError:
            continue


def _modified_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
