"""Which error of a verb ends in which exit code, and what is said of it."""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
from collections.abc import Coroutine
from typing import Any, TextIO

from service.core.errors import BadSettings, SoundCardLost, SoundCardMissing
from service.core.exit_codes import (
    AUDIO_DEVICE,
    CONFIGURATION,
    NOT_REACHABLE,
    OK,
    PERMISSION,
    REFUSED_ARGUMENT,
    TRY_AGAIN,
)
from service.core.routes import NoSuchRoute
from service.web.client import Declined, NoAccess, NotReachable

_CODES: dict[type[Exception], int] = {
    BadSettings: CONFIGURATION,
    SoundCardMissing: AUDIO_DEVICE,
    SoundCardLost: AUDIO_DEVICE,
    NotReachable: NOT_REACHABLE,
    NoAccess: PERMISSION,
    Declined: REFUSED_ARGUMENT,
    NoSuchRoute: REFUSED_ARGUMENT,
}


class Failed(Exception):
    """It was asked for, and did not come about."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


_STATUSES = {502: AUDIO_DEVICE, 503: TRY_AGAIN}  # of what the daemon declines


def code_of(verb: str, work: Coroutine[Any, Any, None]) -> int:
    """Run it to its end, or until Ctrl-C or until nobody reads on; what it raises is told in one line."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        pass
    except Failed as failure:
        print(f"boothd {verb}: {failure}", file=sys.stderr)
        return failure.code
    except BrokenPipeError:
        _hush(sys.stdout)  # Python writes to it once more at its end
    except tuple(_CODES) as problem:
        print(f"boothd {verb}: {problem}", file=sys.stderr)
        code = next(code for kind, code in _CODES.items() if isinstance(problem, kind))
        if code == AUDIO_DEVICE:
            # A thread that a device holds keeps what it works with; libraries complain of that at the end.
            atexit.register(lambda: _hush(sys.stderr))
        return _STATUSES.get(getattr(problem, "status", 0), code)
    return OK


def _hush(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
