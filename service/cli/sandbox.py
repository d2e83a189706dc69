"""`boothd sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from service.core.exit_codes import OK, REFUSED_ARGUMENT

HELP = "our own small Palabra"


def add_options(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    verb.add_argument("--listen", default="127.0.0.1:8080", type=_address, metavar="HOST:PORT", help="port 0: any free")
    verb.add_argument("--credentials", type=Path, metavar="FILE", help="keeps ids, secrets and key over restarts")
    verb.add_argument(
        "--livekit", metavar="URL", help="rooms on this LiveKit server; its key in LIVEKIT_API_KEY, LIVEKIT_API_SECRET"
    )
    verb.add_argument("--fault", action="append", default=[], metavar="NAME[=VALUE]", help="misbehave; may be repeated")
    verb.add_argument("--list-faults", action="store_true", help="every fault there is")
    verb.add_argument("--until-eof", action="store_true", help="end when standard input ends")


def run(options: argparse.Namespace) -> int:
    """Our own small Palabra, until it is stopped."""
    from service.sandbox import faults, server

    if options.list_faults:
        print(faults.listing())
        return OK
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="boothd sandbox: %(message)s")
    host, _, port = options.listen.rpartition(":")
    try:
        keys = server.load_keys(options.credentials) if options.credentials else server.new_keys()
        serving = server.serve(
            host=host.strip("[]"),
            port=int(port),
            keys=keys,
            faults=options.fault,
            livekit=server.livekit_at(options.livekit, os.environ) if options.livekit else None,
            until_eof=options.until_eof,
        )
        asyncio.run(serving)
    except (OSError, ValueError) as problem:
        print(f"boothd sandbox: {problem}", file=sys.stderr)
        return REFUSED_ARGUMENT
    except KeyboardInterrupt:
        pass
    return OK


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not host or not colon or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not HOST:PORT, for example 127.0.0.1:8080')
    return text
