"""The thread of one direction: opens its device, serves it, and after any loss tries again until it is back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from service.core.audio import FRAME_MS
from service.core.errors import FaultCode, SoundCardLost, SoundCardMissing
from service.sound.pcm import DeviceLost

log = logging.getLogger(__name__)

REOPEN_S = (0.5, 1.0, 2.0)
SPREAD = 0.2
TICK_S = FRAME_MS / 1000
STOP_S = 0.5
BUGS, BUGS_WITHIN_S, BUG_SAID_S = 3, 1.0, 60.0


class Closable(Protocol):
    """An open device."""

    def close(self) -> None:
        """Let go. Never raises."""


Pcm = TypeVar("Pcm", bound=Closable)


class DeviceThread(Generic[Pcm]):
    """Only this thread touches the device, its closing included.

    `serve` does the work, one period per step; before a stop closes the device, `take_leave` has it once more.
    `fault` says why there is no device now: SoundCardMissing until it was there once, SoundCardLost afterwards.
    `last_period_s` is the heartbeat: it goes on while a fault stands, and stops only when the thread is held, in a
    device that hangs or by anything else.
    """

    def __init__(
        self,
        *,
        name: str,
        code: FaultCode,
        open_pcm: Callable[[], Pcm],
        serve: Callable[[Pcm], Iterator[None]],
        take_leave: Callable[[Pcm], None] = lambda pcm: None,
        while_lost: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name, self._code = name, code
        self._open_pcm, self._serve = open_pcm, serve
        self._take_leave, self._while_lost = take_leave, while_lost
        self._clock, self._chance = clock, chance
        self._stop = threading.Event()
        self._pause = pause or self._stop.wait
        self._was_there = False
        self._tries = 0
        self._bugs: deque[float] = deque(maxlen=BUGS)
        self.fault: SoundCardLost | SoundCardMissing | None = None
        self.last_period_s = clock()
        self.reopens = 0
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Stop the thread; one that hangs in its device is left behind after half a second."""
        self._stop.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, STOP_S)

    def run(self) -> None:
        """The thread's life."""
        while not self._stop.is_set():
            try:
                if self.fault is not None:
                    self._wait()
                self._serve_once()
            except DeviceLost as problem:
                kind = SoundCardLost if self._was_there else SoundCardMissing
                self._declare(kind(str(problem), code=self._code))
            except SoundCardMissing as problem:
                self._declare(problem)
            except Exception as bug:
                # Sound must not end for ever with an uncaught exception; nor must the bug stay unknown.
                self._note(bug)

    def _serve_once(self) -> None:
        with contextlib.closing(self._open_pcm()) as pcm:
            for _ in self._serve(pcm):
                self._beat()
                if self._stop.is_set():
                    self._take_leave(pcm)
                    return

    def _beat(self) -> None:
        self.last_period_s = self._clock()
        self._was_there, self._tries = True, 0
        if self.fault is not None:
            # Only now: a device that opens and then gives nothing is not back.
            log.info("%s is back", self._name)
            self.fault = None
            self.reopens += 1

    def _declare(self, fault: SoundCardLost | SoundCardMissing) -> None:
        if self.fault is None:
            log.warning("%s is lost: %s", self._name, fault)
        self.fault = fault

    def _note(self, bug: Exception) -> None:
        """A bug restarts the device at once; the third within a second counts as a lost device."""
        now_s = self._clock()
        if not self._bugs or now_s - self._bugs[-1] > BUG_SAID_S:
            log.error("%s: a bug; the device is opened again", self._name, exc_info=bug)
        self._bugs.append(now_s)
        if self.fault is not None or (len(self._bugs) == BUGS and now_s - self._bugs[0] <= BUGS_WITHIN_S):
            self._declare(SoundCardLost(f"{self._name}: a bug, see the log ({bug!r})", code=self._code))

    def _wait(self) -> None:
        spread = 1.0 - SPREAD + 2 * SPREAD * self._chance()
        tick_s = self._clock()
        until_s = tick_s + REOPEN_S[min(self._tries, len(REOPEN_S) - 1)] * spread
        self._tries += 1
        while tick_s < until_s and not self._stop.is_set():
            tick_s += TICK_S
            self._pause(max(0.0, tick_s - self._clock()))
            self.last_period_s = self._clock()
            self._while_lost()
