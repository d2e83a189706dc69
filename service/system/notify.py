"""What systemd is told: ready, the status line, signs of life, stopping. Without NOTIFY_SOCKET nothing happens."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from systemd.daemon import notify

from service.core.problems import clean

log = logging.getLogger(__name__)

HUNGRY_LOOKS = 20  # within the watchdog's limit


class Notifier:
    """The unit's voice. Nothing is raised here: the sound goes on when systemd does not listen."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._watchdog_s = watchdog_s(environ, os.getpid())
        self._status = ""
        self._heard = True

    def ready(self) -> None:
        """The box shows its state from now on; no promise about the cloud."""
        self._say("READY=1")

    def stopping(self) -> None:
        """The orderly end has begun."""
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """Show `text` in `systemctl status`: one short line, sent only when it differs from the last one."""
        text = clean(text)  # a newline would start a field of its own, READY=1 for one
        if text != self._status:
            self._status = text
            self._say(f"STATUS={text}")

    async def feed(
        self,
        trouble: Callable[[], str],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> NoReturn:
        """Feed the watchdog for ever, at a third of its limit, while there is no `trouble()` and the event loop is
        punctual. Once hungry, it is looked again and again, and fed as soon as all is well: who was only stopped for a
        while, and goes on, is not killed for it."""
        limit_s = self._watchdog_s
        while limit_s is None:
            await asyncio.Event().wait()  # nobody sets it
        hungry = False
        while True:
            wait_s = limit_s / (HUNGRY_LOOKS if hungry else 3)
            due_s = clock() + wait_s
            await sleep(wait_s)
            late_s = clock() - due_s
            # Only the loop itself can tell that it hangs; a thread would go on feeding.
            why = f"the event loop is {late_s:.1f} s late" if late_s > limit_s / 6 else trouble()
            if why and not hungry:
                log.warning("the watchdog is not fed: %s", why)
            elif hungry and not why:
                log.warning("the watchdog is fed again")
            hungry = bool(why)
            if not why:
                self._say("WATCHDOG=1")

    def _say(self, state: str) -> None:
        try:
            notify(state)
        except OSError as problem:
            if self._heard:
                log.warning("systemd does not listen on NOTIFY_SOCKET: %s", problem.strerror)
            self._heard = False
        else:
            self._heard = True


def watchdog_s(environ: Mapping[str, str], pid: int) -> float | None:
    """The watchdog's limit for process `pid`; None while it is off or meant for another process."""
    limit_us = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid) or not limit_us.isdecimal() or int(limit_us) == 0:
        return None
    return int(limit_us) / 1e6
