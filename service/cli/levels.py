"""`boothd levels`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import math
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator

from service.cli import options as common
from service.cli.exits import code_of
from service.cli.meters import Picture, Screen, sentence
from service.web.client import follow

HELP = "how loud line-in and line-out are, live"

EVERY_S = 0.1
LINE_EVERY_S = 1.0
LISTEN_S = 1.0  # before a single reading: so long a meter has to have listened


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    common.add_config(verb)
    common.add_socket(verb)
    verb.add_argument("--json", action="store_true", help="an object a line, ten a second")
    verb.add_argument("--seconds", type=common.seconds, metavar="N", help="end after so long")
    verb.add_argument("--once", action="store_true", help="one reading")


def run(options: argparse.Namespace) -> int:
    """Show levels until Ctrl-C."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="boothd levels: %(message)s")
    return code_of("levels", _show(options))


async def _show(options: argparse.Namespace) -> None:
    socket = await common.daemon(options)
    source = "Levels of line-in, opened here: no daemon runs." if socket is None else "Levels of the daemon."
    async with contextlib.aclosing(_own(options) if socket is None else follow(socket, "/v1/levels")) as pictures:
        await _write(source, pictures, options)


async def _write(source: str, pictures: AsyncIterator[Picture], options: argparse.Namespace) -> None:
    """Each as a line of JSON; on a terminal each in the place of the one before; elsewhere a line now and then."""
    live = not options.once and not options.json and sys.stdout.isatty()
    form = json.dumps if options.json else Screen().drawn if live else sentence
    every_s = 0.0 if options.json or live else LINE_EVERY_S
    began_s = next_s = -math.inf
    async for picture in pictures:
        now_s = time.monotonic()
        if began_s == -math.inf:
            began_s = now_s
            if not options.json:
                print(source)
        if now_s >= next_s:
            next_s = now_s + every_s
            print(form(picture), end="" if live else "\n", flush=True)
        if options.once or now_s - began_s >= (options.seconds or math.inf):
            return


async def _own(options: argparse.Namespace) -> AsyncGenerator[Picture, None]:
    """Those of line-in, opened by the settings. Raises BadSettings, SoundCardMissing or SoundCardLost."""
    from service import pictures
    from service.lines import open_line_in

    loaded = common.settings_with(options.config, "audio.input")
    go = threading.Event()
    go.set()
    async with open_line_in(loaded, go=go, ended=threading.Event()) as line_in:
        while line_in.fault is None and not line_in.captured:  # noqa: ASYNC110 - threads tell nobody
            line_in.supervise()
            await asyncio.sleep(EVERY_S / 10)
        if line_in.fault is not None:
            raise line_in.fault
        await asyncio.sleep(LISTEN_S if options.once else EVERY_S)
        while True:
            line_in.supervise()
            yield pictures.levels(loaded, line_in=line_in)
            await asyncio.sleep(EVERY_S)
