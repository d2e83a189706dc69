"""A box on mock pins, as a process of its own: each line of standard input presses a button (lang, live).

The program of a box opens the pins of a Raspberry Pi; all else is as there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from service import settings
from service.app import open_box
from service.board import Board
from service.box import run_box
from service.core.captions import Caption
from service.gpio.pins import Pins
from service.system import journal, logs

PINS = {"lang": 17, "live": 27}
TAP_S = 0.1


async def main(config: Path) -> None:
    """Run until SIGTERM."""
    logs.set_up(environ=os.environ)
    loaded = settings.load(config, environ=os.environ, for_run=True)
    if "IDLE_PAUSE_AFTER_S" in os.environ:  # sooner than the settings allow
        idle = {"idle_pause_after_s": float(os.environ["IDLE_PAUSE_AFTER_S"])}
        loaded = loaded.model_copy(update={"session": loaded.session.model_copy(update=idle)})
    board, pins = Board(), Pins("mock")
    board.watch(journal.Changes())
    async with open_box(loaded, board=board, pins=pins, on_caption=_say) as box:
        work = [asyncio.ensure_future(run_box(box)), asyncio.ensure_future(_fingers(pins))]

        def stop() -> None:
            box.conductor.stopping()
            for task in work:
                task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        for result in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


def _say(caption: Caption) -> None:
    if caption.final:
        logging.info("caption %s: %s", caption.language, caption.text)


async def _fingers(pins: Pins) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        pin = pins.pin(PINS[line.decode().strip()])
        pin.drive_low()
        await asyncio.sleep(TAP_S)
        pin.drive_high()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
