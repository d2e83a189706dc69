"""The signalling against a server written here: lost sockets, resumed or not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.rtc import JoinResponse, LeaveRequest, ParticipantUpdate, ReconnectResponse, SignalRequest
from livekit.protocol.rtc import SignalResponse as Response

from service.core.errors import LinkLost
from service.room import signal_protocol as signal
from service.room import signalling
from tests.fakes.servers import serving

ME = ParticipantInfo(sid="PA_me", identity="box")
OTHER = ParticipantInfo(sid="PA_other", identity="cloud")
JOIN = Response(join=JoinResponse(participant=ME, other_participants=[OTHER], ping_interval=5, ping_timeout=15))
RESUMED = Response(reconnect=ReconnectResponse())
GONE = Response(leave=LeaveRequest(reason="STATE_MISMATCH", action="RECONNECT"))
LOST_MEDIA = Response(leave=LeaveRequest(reason="CONNECTION_TIMEOUT", action="RESUME"))


class Server:
    """`first` gives the first message of each connection by its number, an HTTP status instead, or silence (None)."""

    def __init__(self, first: Callable[[int], Response | int | None]) -> None:
        self._first = first
        self.requests: list[web.Request] = []
        self.heard: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        first = self._first(len(self.requests))
        if isinstance(first, int):
            return web.Response(status=first)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        if first is not None:
            await socket.send_bytes(first.SerializeToString())
        async for frame in socket:
            self.heard.append(SignalRequest.FromString(frame.data).WhichOneof("message"))
        return socket

    async def say(self, response: Response) -> None:
        await self.sockets[-1].send_bytes(response.SerializeToString())

    async def drop(self) -> None:
        """As a reset of the connection."""
        self.sockets[-1]._req.transport.abort()


async def _valid(_: web.Request) -> web.Response:
    return web.Response(text="success")


@asynccontextmanager
async def joined(*firsts: Response | int | None) -> AsyncIterator[tuple[Server, signalling.Signalling]]:
    """A server that says these first, the last one again and again."""
    server = Server(lambda number: firsts[min(number, len(firsts)) - 1])
    app = web.Application()
    app.add_routes([web.get("/rtc", server.serve), web.get("/rtc/validate", _valid)])
    async with serving(app) as url:
        one, _ = await signalling.join(url, "first-token")
        one.sync_state = lambda: one.protocol.sync_state(answer="a", offer="o", tracks={}, channels={}, received={})
        try:
            yield server, one
        finally:
            await one.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(signalling, "RESUME_AFTER_S", (0.0, 0.01))


async def test_a_lost_socket_is_replaced_and_the_server_told_what_we_believe():
    async with joined(JOIN, RESUMED) as (server, one):
        events = one.events()
        await server.say(Response(refresh_token="newest-token"))
        assert await anext(events) == signal.TokenRefreshed("newest-token")
        await server.drop()
        assert await anext(events) == signal.Resumed(media_lost=False)
        query, header = server.requests[1].query, server.requests[1].headers["Authorization"]
        assert (query["reconnect"], query["sid"], query["reconnect_reason"]) == ("1", "PA_me", "1")
        assert header == "Bearer newest-token" and "newest-token" not in server.requests[1].query_string
        await one.send(one.protocol.offer("sdp"))
        async with asyncio.timeout(5):
            while len(server.heard) < 2:
                await asyncio.sleep(0.01)
        assert server.heard == ["sync_state", "offer"] and one.resumes == 1


async def test_a_resume_can_be_asked_for():
    async with joined(JOIN, RESUMED) as (server, one):
        events = one.events()
        reading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await one.again()
        assert await asyncio.wait_for(reading, 5) == signal.Resumed() and len(server.requests) == 2


async def test_what_is_sent_meanwhile_waits():
    async with joined(JOIN, 503, 503, RESUMED) as (server, one):
        events = one.events()
        await server.drop()
        reading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            while len(server.requests) < 2:
                await asyncio.sleep(0.001)
            await one.send(one.protocol.offer("sdp"))
            assert await reading == signal.Resumed()
            while "offer" not in server.heard:
                await asyncio.sleep(0.01)
        assert server.heard.index("sync_state") < server.heard.index("offer")


async def test_who_is_not_in_the_table_after_a_resume_has_gone():
    async with joined(JOIN, RESUMED) as (server, one):
        events = one.events()
        await server.drop()
        await anext(events)
        assert one.protocol.participants.keys() == {"PA_me", "PA_other"}
        await server.say(Response(update=ParticipantUpdate(participants=[ME])))
        assert await anext(events) == signal.Participants()
        assert one.protocol.participants.keys() == {"PA_me"}
        await server.say(Response(update=ParticipantUpdate(participants=[OTHER])))  # from now on changes only
        await anext(events)
        assert one.protocol.participants.keys() == {"PA_me", "PA_other"}


async def test_a_server_that_has_lost_our_media_asks_for_a_resume():
    async with joined(JOIN, RESUMED) as (server, one):
        await server.say(LOST_MEDIA)
        assert await anext(one.events()) == signal.Resumed(media_lost=True)


@pytest.mark.parametrize(
    ("answer", "text"),
    [(GONE, "STATE_MISMATCH"), (JOIN, "something else"), (Response(), "something else"), (401, "token")],
)
async def test_a_resume_that_is_refused_is_the_end(answer, text):
    async with joined(JOIN, answer) as (server, one):
        events = one.events()
        await server.drop()
        with pytest.raises(LinkLost, match=text):
            await anext(events)
        assert len(server.requests) == (2 if answer != 401 else 3)  # a 401 once more, with the token in the query


async def test_a_server_that_stays_away_is_given_up(monkeypatch):
    monkeypatch.setattr(signalling, "RESUME_S", 0.1)
    async with joined(JOIN, 503) as (server, one):
        events = one.events()
        await server.drop()
        with pytest.raises(LinkLost, match=r"signalling was closed.*HTTP 503"):
            await anext(events)
        assert len(server.requests) > 3


async def test_a_server_that_says_nothing_is_tried_again(monkeypatch):
    async with joined(JOIN, None, RESUMED) as (server, one):
        monkeypatch.setattr(signalling, "JOIN_TIMEOUT_S", 0.05)
        await server.drop()
        assert await anext(one.events()) == signal.Resumed() and len(server.requests) == 3


async def test_without_media_there_is_nothing_to_wait_for():
    async with joined(JOIN, 503) as (server, one):

        async def dead() -> bool:
            return False

        one.media_lives = dead
        events = one.events()
        await server.drop()
        with pytest.raises(LinkLost, match="HTTP 503"):
            await anext(events)
        assert len(server.requests) == 2


async def test_an_answer_without_a_word_is_given_up(monkeypatch):
    monkeypatch.setattr(signalling, "JOIN_TIMEOUT_S", 0.05)
    with pytest.raises(LinkLost, match="no join"):
        async with joined(Response()):
            pass
