"""Local control: one aiohttp application on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from service.core.errors import BadSettings
from service.web.answers import CLOSING, errors_as_json

ANSWER_S = 5.0
MAX_BODY_BYTES = 65_536


def application(routes: Iterable[web.RouteDef]) -> web.Application:
    """These routes, with errors as JSON, and streams that end when the application does."""
    app = web.Application(middlewares=[errors_as_json], client_max_size=MAX_BODY_BYTES)
    app[CLOSING] = asyncio.Event()
    app.on_shutdown.append(_end_streams)
    app.add_routes(routes)
    return app


async def _end_streams(app: web.Application) -> None:
    app[CLOSING].set()


@asynccontextmanager
async def serve(app: web.Application, socket: Path) -> AsyncIterator[None]:
    """Serve on a Unix socket of mode 0660, taken over from a daemon that is gone. Raises BadSettings."""
    if await _answers(socket):
        raise BadSettings(f"http.socket: another daemon answers on {socket}; stop it or choose another path")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        socket.parent.mkdir(parents=True, exist_ok=True)
        await web.UnixSite(runner, str(socket)).start()
        os.chmod(socket, 0o660)
    except OSError as problem:
        await runner.cleanup()
        raise BadSettings(
            f"http.socket: {socket} cannot be opened ({problem.strerror}); choose another path or mend its folder"
        ) from problem
    try:
        yield
    finally:
        await runner.cleanup()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(socket)  # Python does so itself from 3.13 on


async def _answers(socket: Path) -> bool:
    """Whether somebody accepts connections there; a socket file alone outlives its daemon."""
    try:
        async with asyncio.timeout(ANSWER_S):
            _, writer = await asyncio.open_unix_connection(str(socket))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
