"""Who may open the management WebSocket, and what becomes of the session."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from service.core.session import ApiKey, SessionRequest
from service.sandbox.faults import Faults
from service.sandbox.sessions import Rights, SessionStore
from service.sandbox.streams import Streams
from service.sandbox.tokens import SigningKey, verify
from tests.fakes.servers import serving

KEY = SigningKey("key", "s" * 32)
SEED, HASHED = (f"/streaming-api{part}/v1/speech-to-speech/stream" for part in ("", "/1a2b3c"))


class Door:
    """A store, and sockets that echo until their client closes them."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.tokens: list[str] = []
        self.faults = Faults()
        self.store = SessionStore(key=KEY, on_deleted=lambda session: self.ended.append(session.id), max_parallel=1)
        self.streams = Streams(
            store=self.store,
            faults=self.faults,
            api_key=ApiKey("plbr_key"),
            verify=lambda token: verify(token, KEY),
            serve=self.serve,
        )

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.query["token"])
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    def sessions(self) -> list[object]:
        return self.store.sessions(now_s=self.streams._now_s())

    @asynccontextmanager
    async def open(self, token: str, path: str = SEED):
        async with self.http.ws_connect(self.url + path, params={"token": token}) as socket:
            await socket.send_str("hello")
            assert await socket.receive_str(timeout=5) == "hello"
            yield socket

    async def refusal(self, token: str, path: str = SEED) -> int:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await self.http.ws_connect(self.url + path, params={"token": token})
        return refused.value.status


@pytest.fixture
async def door():
    door = Door()
    app = web.Application()
    app.add_routes(door.streams.routes())
    async with serving(app) as door.url, aiohttp.ClientSession() as door.http:
        yield door


async def soon(good) -> None:
    async with asyncio.timeout(5):
        while not good():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", [SEED, HASHED])
async def test_a_session_is_kept_while_a_socket_is_open(door, path):
    session = door.store.create(SessionRequest(), Rights(), now_s=door.streams._now_s())
    async with door.open(session.publisher, path):
        door.store.expire(session.expires_at_s + 1000)
        assert door.ended == []
    await soon(lambda: session.connections == 0)
    door.store.expire(session.expires_at_s + 1)
    assert door.ended == [session.id]
    assert await door.refusal(session.publisher) == 403


@pytest.mark.parametrize("path", [SEED, HASHED])
async def test_the_api_key_brings_a_session_that_lives_as_long_as_the_socket(door, path):
    async with door.open("plbr_key", path):
        (session,) = door.sessions()
        assert door.tokens == [session.publisher], "the key itself goes no further"
        assert await door.refusal("plbr_key") == 429
    await soon(lambda: door.ended == [session.id])
    async with door.open("plbr_key", path):
        assert len(door.sessions()) == 1


@pytest.mark.parametrize("token", ["", "plbr_other", "nonsense", "é"])
async def test_another_token_opens_nothing(door, token):
    assert await door.refusal(token) == 403
    assert door.sessions() == [] and door.tokens == []


@pytest.mark.parametrize("fault", ["unauthorized", "no-balance"])
async def test_a_key_without_rights_or_balance_opens_nothing(door, fault):
    door.faults.set(fault)
    assert await door.refusal("plbr_key") == 403
    assert door.sessions() == []
