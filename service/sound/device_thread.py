"""The thread of one direction: opens its device, serves it, and after any loss tries again until it is back.

A device that hangs holds its thread, and nobody can take it out. Such a thread is given up, and another one opens the
device: that fails with "busy" until the device lets the first one go, which then closes it and ends. From a thread that
is held elsewhere its device is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from service.core.audio import FRAME_S
from service.core.errors import FaultCode, SoundCardLost, SoundCardMissing
from service.sound.pcm import DeviceLost, Seizable

log = logging.getLogger(__name__)

REOPEN_S = (0.5, 1.0, 2.0)
SPREAD = 0.2
STOP_S = 0.4
HELD_S = 1.8  # found within 2 s
MAX_HELD = 2  # threads given up: with so many, no further one opens the device
CAPTURE_PRIORITY, PLAYBACK_PRIORITY = 50, 51  # audio-path 6
LOOKS_APART_S = 1.0  # the looks of `supervise` come more often, unless the machine has slept
BUGS, BUGS_WITHIN_S, BUG_SAID_S = 3, 1.0, 60.0


class Closable(Protocol):
    """An open device."""

    def close(self) -> None:
        """Let go. Never raises."""


Pcm = TypeVar("Pcm", bound=Closable)


class DeviceThread(Generic[Pcm]):
    """Only its thread touches the device, the closing included, as long as it is not given up.

    `serve` does the work, one period per step; it yields as soon as the device has answered, since a thread that was
    given up meanwhile ends there. Before a stop closes the device, `take_leave` has it once more.
    `fault` says why there is no device now: SoundCardMissing until it was there once, SoundCardLost afterwards.
    `done` counts the work: a thread that goes round without any is held, too. `on_held` is called when one is given up
    and before another one begins: what it may be held in is not to be used any more.
    With a `priority` the thread runs before all other processes, where that is permitted.
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
        done: Callable[[], int] | None = None,
        on_held: Callable[[], None] = lambda: None,
        priority: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name, self._code = name, code
        self._open_pcm, self._serve = open_pcm, serve
        self._take_leave, self._while_lost = take_leave, while_lost
        self._done, self._on_held = done or itertools.count().__next__, on_held
        self._done_before: int | None = None
        self._priority, self._clock, self._chance = priority, clock, chance
        self._stop = threading.Event()
        self._pause = pause or self._stop.wait
        self._was_there = False
        self._tries = 0
        self._bugs: deque[float] = deque(maxlen=BUGS)
        self.fault: SoundCardLost | SoundCardMissing | None = None
        self.reopens = 0
        self._moved_s = self._looked_s = self._gave_up_s = clock()
        self._held: list[threading.Thread] = []
        self._pcm: Pcm | None = None  # what is open
        self._thread = self._new_thread()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Stop the thread; one that hangs in its device is left behind after less than half a second."""
        self._stop.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, STOP_S)

    @property
    def last_period_s(self) -> float:
        """The heartbeat: it goes on while a fault stands. It stops when the thread is held and nobody supervises, or
        when to give it up has not helped yet: a device that worked may be had by a new process. Whoever is told by this
        has patience of his own."""
        hopeless = self._was_there and self.fault is not None and self._still_held()
        return self._gave_up_s if hopeless else self._moved_s

    def supervise(self) -> None:
        """Give up a thread that is held, and begin another. To be called several times a second."""
        now_s = self._clock()
        before_s, self._looked_s = self._looked_s, now_s
        if now_s - before_s > LOOKS_APART_S:
            self._moved_s = max(self._moved_s, now_s)  # who slept with the machine is not held
        if self._thread.ident is None or self._stop.is_set() or now_s - self._moved_s < HELD_S:
            return
        self._lose(f"{self._name}: the device does not answer; unplug it and plug it in again")
        self._held = [thread for thread in self._held if thread.is_alive()] + [self._thread]
        self._moved_s = self._gave_up_s = now_s
        _go_as_others(self._thread)
        self._on_held()
        self._thread = self._new_thread(left_open=self._pcm)
        self._thread.start()

    def run(self) -> None:
        """The thread's life."""
        while not self._stop.is_set() and not self._is_given_up():
            try:
                self._live()
            except DeviceLost as problem:
                self._lose(str(problem))
            except SoundCardMissing as problem:
                self._declare(problem)
            except Exception as bug:
                # Sound must not end for ever with an uncaught exception; nor must the bug stay unknown.
                self._note(bug)

    def _new_thread(self, left_open: Pcm | None = None) -> threading.Thread:
        return threading.Thread(target=self._begin, args=(left_open,), name=self._name, daemon=True)

    def _begin(self, left_open: object) -> None:
        if isinstance(left_open, Seizable):
            left_open.seize()  # here, where it may take its time
        if self._priority is not None:
            _go_first(self._priority)
        self.run()

    def _still_held(self) -> int:
        return sum(thread.is_alive() for thread in self._held)

    def _is_given_up(self) -> bool:
        """Whether the thread that asks is."""
        return threading.current_thread() in self._held

    def _live(self) -> None:
        if self.fault is not None:
            self._wait()
        if self._still_held() >= MAX_HELD or self._stop.is_set():
            return
        with contextlib.closing(self._open_pcm()) as pcm:
            self._pcm = pcm
            for _ in self._serve(pcm):
                if self._is_given_up():
                    return
                self._beat()
                if self._stop.is_set():
                    self._take_leave(pcm)
                    return

    def _beat(self) -> None:
        done = self._done()
        if done != self._done_before:
            self._done_before, self._moved_s = done, self._clock()
        self._was_there, self._tries = True, 0
        if self.fault is not None:
            # Only now: a device that opens and then gives nothing is not back.
            log.info("%s is back", self._name)
            self.fault = None
            self.reopens += 1

    def _lose(self, reason: str) -> None:
        if self.fault is None or not self._still_held():  # that it is busy then says less than why
            kind = SoundCardLost if self._was_there else SoundCardMissing
            self._declare(kind(reason, code=self._code))

    def _declare(self, fault: SoundCardLost | SoundCardMissing) -> None:
        if self._is_given_up():
            return
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
            tick_s += FRAME_S
            self._pause(max(0.0, tick_s - self._clock()))
            self._moved_s = self._clock()
            self._while_lost()


def _go_first(priority: int) -> None:
    """Be scheduled before other processes. Not before our own threads: there the interpreter decides."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError as problem:
        log.debug("no real-time priority for %s: %s", threading.current_thread().name, problem)


def _go_as_others(thread: threading.Thread) -> None:
    """Whatever it does now, it may no longer keep others from their work."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(thread.native_id or 0, os.SCHED_OTHER, os.sched_param(0))
