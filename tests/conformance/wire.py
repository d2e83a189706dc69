"""A relay in front of a server's signalling: it writes down what both sides say and can lie to either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from livekit.protocol.rtc import SignalRequest, SignalResponse

from tests.fakes.servers import serving

Told = SignalResponse | bytes | str


class Wire:
    """Clients join at `url`. `down` and `up` turn each message into those that are passed on instead."""

    def __init__(self, server_url: str, http: aiohttp.ClientSession) -> None:
        self.url = ""
        self.said: list[SignalRequest] = []  # by the client
        self.told: list[SignalResponse] = []  # by the server, before any lie
        self.requests: list[web.Request] = []
        self.down: Callable[[SignalResponse], Iterable[Told]] = lambda message: [message]
        self.up: Callable[[SignalRequest], Iterable[SignalRequest]] = lambda message: [message]
        self.drops_header = False
        self.refuses = False  # everybody who comes
        # Plays the server where the client comes back with `reconnect=1`, instead of passing it on.
        self.resume: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self._server_url, self._http = server_url, http
        self._client: web.WebSocketResponse | None = None
        self._killed = False
        self._kept: list[aiohttp.ClientWebSocketResponse] = []  # the server's ends of sockets that were killed

    def heard(self, kind: str) -> list[SignalRequest]:
        """What the client said, of one kind."""
        return [message for message in self.said if message.WhichOneof("message") == kind]

    def sent(self, kind: str) -> list[SignalResponse]:
        """What the server told, of one kind."""
        return [message for message in self.told if message.WhichOneof("message") == kind]

    async def tell(self, message: Told) -> None:
        """Tell the client something that the server did not."""
        assert self._client is not None
        if isinstance(message, str):
            await self._client.send_str(message)
        else:
            await self._client.send_bytes(message if isinstance(message, bytes) else message.SerializeToString())

    def kill(self) -> None:
        """Reset the client's socket. The server hears nothing of it, as when a network fails: one that drops a
        participant with the socket would take the media away before the client has come to a resume."""
        transport = self.requests[-1].transport
        assert transport is not None
        self._killed = True
        transport.abort()

    async def close(self) -> None:
        """Let the server know at last."""
        for upstream in self._kept:
            await upstream.close()

    def _headers(self, request: web.Request) -> dict[str, str]:
        kept = () if self.drops_header else ("Authorization",)
        return {name: request.headers[name] for name in kept if name in request.headers}

    async def validate(self, request: web.Request) -> web.Response:
        """Pass a plain request on."""
        async with self._http.get(f"{self._server_url}{request.path_qs}", headers=self._headers(request)) as answer:
            return web.Response(status=answer.status, text=await answer.text())

    async def rtc(self, request: web.Request) -> web.StreamResponse:
        """Relay one signalling socket until either side closes."""
        self.requests.append(request)
        if self.refuses:
            return web.Response(status=503)
        if self.resume is not None and request.query.get("reconnect") == "1":
            return await self.resume(request)
        try:
            upstream = await self._http.ws_connect(
                f"{self._server_url}{request.path_qs}", headers=self._headers(request), max_msg_size=0
            )
        except aiohttp.WSServerHandshakeError as refusal:
            return web.Response(status=refusal.status)
        client = self._client = web.WebSocketResponse(max_msg_size=0, timeout=0.2)
        await client.prepare(request)
        ways = [
            asyncio.ensure_future(self._downwards(upstream)),
            asyncio.ensure_future(self._upwards(client, upstream)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            if self._killed:
                self._killed = False
                self._kept.append(upstream)
            else:
                await upstream.close()
            await client.close(code=upstream.close_code or 1000)
        return client

    async def _downwards(self, upstream: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in upstream:
            message = SignalResponse.FromString(frame.data)
            self.told.append(message)
            for lie in self.down(message):
                await self.tell(lie)

    async def _upwards(self, client: web.WebSocketResponse, upstream: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in client:
            message = SignalRequest.FromString(frame.data)
            self.said.append(message)
            for lie in self.up(message):
                await upstream.send_bytes(lie.SerializeToString())


@asynccontextmanager
async def wire_to(server_url: str) -> AsyncIterator[Wire]:
    """A relay on a loopback port."""
    async with aiohttp.ClientSession() as http:
        wire = Wire(server_url, http)
        app = web.Application()
        app.add_routes([web.get("/rtc/validate", wire.validate), web.get("/rtc", wire.rtc)])
        async with serving(app) as wire.url:
            yield wire
            await wire.close()
