"""The interpreter: a process that joins the rooms of the sandbox's sessions by the same link as the box.

It is a phrase interpreter, never a translator: it knows a set of English phrases and says their translations;
everything else is repeated in a voice that is plainly that channel's, and captioned as not understood.
Reads orders from standard input, writes events to standard output; ends when its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable

from service.room import peers
from service.sandbox import engines, pipe
from service.sandbox.booth import Booth
from service.sandbox.phrases import load_phrases
from service.sandbox.transcriber import Transcriber
from service.sandbox.voices import Voices

log = logging.getLogger(__name__)


class Interpreter:
    """All booths of one process; they are tasks of `tasks`, so that a bug in one ends the process, which is started
    again. `say(room, event)` speaks to the server."""

    def __init__(self, *, tasks: asyncio.TaskGroup, say: Callable[[str, pipe.Event], None]) -> None:
        self._tasks, self._say = tasks, say
        self._book = load_phrases()
        self._engines = engines.installed(self._book)
        self._voices = Voices()
        self._booths: dict[str, tuple[Booth, asyncio.Task[None]]] = {}
        say("", pipe.Mode(self._engines.mode))

    def order(self, room: str, order: pipe.Order) -> None:
        """Give an order to the booth of this room; `Join` opens one, in place of one that may be there."""
        if isinstance(order, pipe.Join):
            self._open(room, order)
        elif room in self._booths:
            self._booths[room][0].order(order)

    def _open(self, room: str, join: pipe.Join) -> None:
        if room in self._booths:
            self._booths[room][1].cancel()
        booth = Booth(
            publisher=join.publisher,
            transcriber=Transcriber(endpointer=self._engines.endpointer(), recogniser=self._engines.recogniser()),
            book=self._book,
            voices=self._voices,
            say=lambda event: self._say(room, event),
        )

        async def work() -> None:
            await booth.work(join.url, join.token)
            if self._booths[room][0] is booth:
                del self._booths[room]

        self._booths[room] = (booth, self._tasks.create_task(work()))

    def close(self) -> None:
        """Leave every room."""
        for _, task in self._booths.values():
            task.cancel()


def say(room: str, event: pipe.Event) -> None:
    """Tell the server. When it is gone nobody listens, and the end of our input follows."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), pipe.to_line(room, event))  # a buffer would complain of its rest at the end


async def main() -> None:
    """Obey until the input ends."""
    reader = asyncio.StreamReader(limit=pipe.LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as tasks:
        interpreter = Interpreter(tasks=tasks, say=say)
        async for line in reader:
            try:
                room, order = pipe.from_line(line)
            except ValueError as problem:
                log.warning("an order that nobody understands: %s", problem)
            else:
                interpreter.order(room, order)
        interpreter.close()
    await peers.closed()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="boothd sandbox, interpreter: %(message)s")
    asyncio.run(main())
