"""The embedded room in this test's process, which tells what came to it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from service.sandbox import tokens
from service.sandbox.room_server import RoomServer
from service.sandbox.tokens import Grant
from tests.conformance.servers import EMBEDDED, KEY, Server
from tests.fakes.servers import serving


class Stage(Server):
    """`requests` holds the path of each request, and whether it asked to resume, in order of arrival; `statuses` the
    answers to those that ended; `inside` the identities in the room now."""

    def __init__(self) -> None:
        super().__init__(EMBEDDED, "")
        self.requests: list[tuple[str, bool]] = []
        self.statuses: dict[str, int] = {}
        self.rooms = RoomServer(
            verify=partial(tokens.verify, key=KEY),
            refresh=lambda grant: tokens.mint(grant, KEY, now_s=time.time()),
            fault=self.faults.__contains__,
            joined=lambda room, identity: None,
            left=lambda room, identity: None,
        )

    @property
    def inside(self) -> set[str]:
        room = self.rooms.rooms.get(self.room)
        return set(room.participants) if room else set()

    def grant(self, identity: str) -> Grant:
        """Who has this identity in this test's room."""
        return Grant(identity, self.room)

    @web.middleware
    async def note(self, request: web.Request, handler) -> web.StreamResponse:
        self.requests.append((request.path, request.query.get("reconnect") in ("1", "true")))
        response = await handler(request)
        self.statuses[request.path] = response.status
        return response


@asynccontextmanager
async def embedded() -> AsyncIterator[Stage]:
    """Running, on a port of its own."""
    stage = Stage()
    app = web.Application(middlewares=[stage.note])
    app.add_routes(stage.rooms.routes())
    async with serving(app) as stage.url:
        yield stage
        await stage.rooms.close()
