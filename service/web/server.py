"""Local control: one aiohttp application on a Unix socket. `boothd status` is its first client."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from service.core.errors import BadSettings

CLIENT_TIMEOUT_S = 5.0


class NotReachable(Exception):
    """No daemon answers on the socket."""


def application(*, status: Callable[[], dict[str, Any]]) -> web.Application:
    """The routes; `status` gives the whole picture as JSON data."""

    async def get_status(_: web.Request) -> web.Response:
        return web.json_response(status())

    app = web.Application()
    app.add_routes([web.get("/v1/status", get_status)])
    return app


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
        async with asyncio.timeout(CLIENT_TIMEOUT_S):
            _, writer = await asyncio.open_unix_connection(str(socket))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def fetch_status(socket: Path) -> dict[str, Any]:
    """The picture from a running daemon. Raises NotReachable with one sentence."""
    timeout = aiohttp.ClientTimeout(total=CLIENT_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as http,
            http.get("http://boothd/v1/status") as response,
        ):
            response.raise_for_status()
            picture: dict[str, Any] = await response.json()
            return picture
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
        raise NotReachable(f"no daemon answers on {socket} ({type(problem).__name__}); is boothd running?") from problem
