"""The interpreter as the server sees it: a process of its own, started again when it dies."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from service.core.backoff import Backoff
from service.sandbox import pipe

log = logging.getLogger(__name__)

PROGRAM = (sys.executable, "-m", "service.sandbox.interpreter")
WAITING_BYTES = 1 << 20
STOP_S = 1.0


class Worker:
    """Runs the interpreter's process and speaks the pipe with it; its standard error is ours.

    `on_event(room, event)` is called for everything it says; `on_started()` after each start, the first included.
    """

    def __init__(
        self,
        *,
        on_event: Callable[[str, pipe.Event], None],
        on_started: Callable[[], None],
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._on_event, self._on_started, self._program = on_event, on_started, program
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process; None between two of them."""
        return self._process.pid if self._process is not None else None

    def order(self, room: str, order: pipe.Order) -> None:
        """Give an order; lost while no process runs, `on_started` then tells what has to be said again."""
        if self._process is None or self._process.stdin is None or self._process.stdin.is_closing():
            return
        line = pipe.to_line(room, order)
        if len(line) > pipe.LINE_BYTES:
            log.warning("an order of %d bytes is too long for the interpreter: %s", len(line), type(order).__name__)
        elif self._process.stdin.transport.get_write_buffer_size() > WAITING_BYTES:
            # It has stopped reading. Dropping orders would leave it in a state that nobody knows.
            log.warning("the interpreter does not read its orders and is started again")
            with suppress(ProcessLookupError):
                self._process.kill()
        else:
            self._process.stdin.write(line)

    async def run(self) -> None:
        """Keep a process running until cancelled; it ends by itself when its pipe closes."""
        backoff = Backoff()
        while True:
            started_s = time.monotonic()
            self._process = await asyncio.create_subprocess_exec(
                *self._program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=pipe.LINE_BYTES,
                # Ctrl-C at a terminal goes to the whole group; the server decides when the interpreter ends.
                start_new_session=True,
            )
            try:
                self._on_started()
                await self._listen(self._process)
                log.warning("the interpreter ended by itself (exit code %s)", await self._process.wait())
            finally:
                await self._stop(self._process)
                self._process = None
            backoff.ran_for(time.monotonic() - started_s)
            await asyncio.sleep(backoff.next_s(chance=random.random()))

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
                if not line:
                    return
                room, event = pipe.from_line(line)
            except ValueError as problem:
                log.warning("the interpreter said what nobody understands: %s", problem)
            else:
                self._on_event(room, event)

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        process.stdin.close()
        ended = asyncio.ensure_future(process.wait())
        # Not asyncio.timeout: in a task that is being cancelled, Python 3.11.2 turns its end into a cancellation.
        await asyncio.wait({ended}, timeout=STOP_S)
        if not ended.done():
            process.kill()
            await ended
        with suppress(ConnectionError):  # orders that it did not read any more
            await process.stdin.wait_closed()
