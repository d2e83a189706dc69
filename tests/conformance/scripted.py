"""Servers that lie: each connection is played by a few lines of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from livekit.protocol.models import ParticipantInfo, TrackInfo, TrackType
from livekit.protocol.rtc import JoinResponse, SignalResponse

from tests.fakes.servers import serving

Play = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def playing(play: Play) -> AsyncIterator[str]:
    """The URL of a server whose signalling sockets are played by `play`."""

    async def rtc(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=0.2)
        await socket.prepare(request)
        await play(socket)
        return socket

    app = web.Application()
    app.add_routes([web.get("/rtc", rtc)])
    async with serving(app) as url:
        yield url


@asynccontextmanager
async def answering(
    status: int, *, validate: int = 200, body: str = ""
) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """The URL of a server that refuses every socket, and the requests it got."""
    requests: list[web.Request] = []

    async def rtc(request: web.Request) -> web.Response:
        requests.append(request)
        return web.Response(status=status, text=body)

    async def valid(request: web.Request) -> web.Response:
        return web.Response(status=validate, text=body)

    app = web.Application()
    app.add_routes([web.get("/rtc", rtc), web.get("/rtc/validate", valid)])
    async with serving(app) as url:
        yield url, requests


def join(*tracks: str) -> bytes:
    """A join as `PA_me`; the tracks (their SIDs are their names) are those of `other`."""
    infos = [TrackInfo(sid=name, name=name, type=TrackType.AUDIO) for name in tracks]
    response = JoinResponse(
        participant=ParticipantInfo(sid="PA_me", identity="me"),
        other_participants=[ParticipantInfo(sid="PA_other", identity="other", tracks=infos)],
        subscriber_primary=True,
        ping_interval=5,
        ping_timeout=15,
    )
    return SignalResponse(join=response).SerializeToString()
