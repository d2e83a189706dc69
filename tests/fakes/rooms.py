"""The embedded room on a loopback port, with tokens that are just `room/identity[/rights]`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from service.core.audio import EncodedFrame
from service.room import peers
from service.sandbox.room_server import RoomServer
from service.sandbox.tokens import Grant, TokenRefused


def verify(token: str) -> Grant:
    room, _, rest = token.partition("/")
    identity, _, rights = rest.partition("/")
    if not room or not identity:
        raise TokenRefused("no such token")
    rights = rights or "psd"
    return Grant(identity, room, "p" in rights, "s" in rights, "d" in rights)


class FakeRooms:
    def __init__(self) -> None:
        self.faults: set[str] = set()
        self.left: list[tuple[str, str]] = []
        self.server = RoomServer(
            verify=verify,
            refresh=lambda grant: grant.identity,
            fault=self.faults.__contains__,
            joined=lambda room, identity: None,
            left=lambda room, identity: self.left.append((room, identity)),
        )
        self.url = ""


@asynccontextmanager
async def embedded() -> AsyncIterator[FakeRooms]:
    rooms = FakeRooms()
    app = web.Application()
    app.add_routes(rooms.server.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    rooms.url = f"http://127.0.0.1:{runner.addresses[0][1]}/livekit/"
    try:
        yield rooms
    finally:
        await runner.cleanup()
        await peers.closed()


class Ear:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.frames: list[EncodedFrame] = []

    def push(self, frame: EncodedFrame) -> None:
        self.frames.append(frame)
