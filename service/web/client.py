"""The other end of local control: what the verbs of the command line ask a running daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

ANSWER_S = 5.0
SILENT_S = 15.0  # a daemon that lives says so more often


class NotReachable(Exception):
    """No daemon answers on the socket, or it is heard of no more."""


class NoAccess(Exception):
    """A daemon may be there, but its socket is not for us."""


class Declined(Exception):
    """The daemon will not or cannot; its own sentence."""

    def __init__(self, sentence: str, *, status: int) -> None:
        super().__init__(sentence)
        self.status = status


async def fetch(socket: Path, path: str) -> dict[str, Any]:
    """A picture. Raises NotReachable, NoAccess or Declined, each with one sentence."""
    async with _answer(socket, "GET", path, total_s=ANSWER_S) as response:
        picture: dict[str, Any] = await response.json()
        return picture


async def send(socket: Path, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A command; what was understood of it. Raises as `fetch`."""
    async with _answer(socket, "POST", path, total_s=ANSWER_S, body=body) as response:
        understood: dict[str, Any] = await response.json()
        return understood


async def follow(socket: Path, path: str) -> AsyncGenerator[dict[str, Any], None]:
    """Pictures as they come. Raises as `fetch`, at last NotReachable."""
    async with _answer(socket, "GET", path, total_s=None) as response:
        async for line in response.content:
            if line.startswith(b"data:"):
                yield json.loads(line[len(b"data:") :])
    raise NotReachable(f"the daemon on {socket} has ended")


@asynccontextmanager
async def _answer(
    socket: Path, method: str, path: str, *, total_s: float | None, body: dict[str, Any] | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=ANSWER_S, sock_read=SILENT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as http,
            http.request(method, f"http://boothd{path}", json=body) as response,
        ):
            if response.status >= 400:
                raise Declined((await response.json())["error"], status=response.status)
            yield response
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as problem:
        if isinstance(problem, PermissionError) or isinstance(getattr(problem, "os_error", None), PermissionError):
            raise NoAccess(f"{socket} is not for this user; become a member of its group, or root") from problem
        raise NotReachable(f"no daemon answers on {socket} ({type(problem).__name__}); is boothd running?") from problem
