"""`boothd tone`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from pydantic import ValidationError

from service.cli import options as common
from service.cli.exits import code_of
from service.core.exit_codes import REFUSED_ARGUMENT
from service.web.answers import sentence
from service.web.client import send
from service.web.orders import ToneOrder

HELP = "a test tone on line-out"

LOOK_S = 0.01
RING_OUT_S = 0.1  # what the card still holds when the tone has ended


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    common.add_config(verb)
    common.add_socket(verb)
    usual = ToneOrder()
    verb.add_argument("--seconds", type=float, default=usual.seconds, metavar="N", help="default: %(default)g")
    verb.add_argument(
        "--level-dbfs", type=float, default=usual.level_dbfs, metavar="N", help="of its peaks (default: %(default)g)"
    )
    verb.add_argument("--hz", type=float, default=usual.hz, metavar="N", help="default: %(default)g")
    verb.add_argument("--channel", choices=("left", "right", "both"), help="default: both, or the route's own")
    verb.add_argument(
        "--route", type=int, metavar="N", help="where this route of the settings leads, the first being 1"
    )
    verb.add_argument("--force", action="store_true", help="also over a translation that people listen to")


def run(options: argparse.Namespace) -> int:
    """Play a tone and wait for its end; Ctrl-C ends it."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="boothd tone: %(message)s")
    names = ("seconds", "level_dbfs", "hz", "channel", "route", "force")
    try:
        order = ToneOrder(**{name: getattr(options, name) for name in names})
    except ValidationError as mistakes:
        print(f"boothd tone: {sentence(mistakes)}", file=sys.stderr)
        return REFUSED_ARGUMENT
    return code_of("tone", _play(order, options))


async def _play(order: ToneOrder, options: argparse.Namespace) -> None:
    socket = await common.daemon(options)
    if socket is None:
        await _play_here(order, options.config)
    else:
        await _play_there(order, socket)


async def _play_there(order: ToneOrder, socket: Path) -> None:
    await send(socket, "/v1/tone", order.model_dump())
    _say(order, "by the daemon")
    try:
        await asyncio.sleep(order.seconds)
    except asyncio.CancelledError:
        await send(socket, "/v1/tone", {"seconds": 0})
        raise


async def _play_here(order: ToneOrder, config: Path) -> None:
    from service.lines import open_line_out, route_of
    from service.sound.tone import Tone

    loaded = common.settings_with(config, "audio.output")
    device, channel = route_of(loaded, order.route, order.channel)
    async with open_line_out(loaded) as line_out:
        playbacks = [card.playback for name, card in line_out.cards.items() if device in (None, name)]
        while not all(playback.levels or playback.fault for playback in playbacks):  # noqa: ASYNC110 - threads tell nobody
            line_out.supervise()
            await asyncio.sleep(LOOK_S)
        for fault in (playback.fault for playback in playbacks):
            if fault is not None:
                raise fault
        line_out.tone(Tone(order.hz, order.level_dbfs, order.seconds, channel), device=device)
        _say(order, "opened here: no daemon runs")
        await asyncio.sleep(order.seconds + RING_OUT_S)


def _say(order: ToneOrder, how: str) -> None:
    print(f"{order.hz:g} Hz at {order.level_dbfs:g} dBFS for {order.seconds:g} s on line-out, {how}.", flush=True)
