"""The server API of a LiveKit server, played by aiohttp."""

import asyncio
from contextlib import asynccontextmanager

import jwt
import pytest
from aiohttp import web

from service.sandbox import livekit_rooms
from service.sandbox.livekit_rooms import LiveKitRooms
from service.sandbox.server import livekit_at
from service.sandbox.tokens import SigningKey
from tests.fakes.servers import serving

KEY = SigningKey("devkey", "a-loopback-secret-of-32-characters!")


class Api:
    """`inside` holds the identities per room; `status` spoils every answer."""

    def __init__(self) -> None:
        self.inside: dict[str, list[str]] = {}
        self.status = 200
        self.asked: list[tuple[str, str]] = []
        self.looks = asyncio.Event()

    async def serve(self, request: web.Request) -> web.Response:
        method, room = request.match_info["method"], (await request.json())["room"]
        token = request.headers["Authorization"].removeprefix("Bearer ")
        video = jwt.decode(token, KEY.secret, algorithms=["HS256"], issuer=KEY.key)["video"]
        assert video == {"room": room, "roomAdmin": True, "roomCreate": True, "roomList": True}
        self.asked.append((method, room))
        self.looks.set()
        if self.status != 200:
            return web.Response(status=self.status)
        if room not in self.inside:
            return web.json_response({"code": "not_found"}, status=404)
        return web.json_response({"participants": [{"identity": identity} for identity in self.inside[room]]})


@asynccontextmanager
async def watched(monkeypatch):
    monkeypatch.setattr(livekit_rooms, "LOOK_S", 0.005)
    api, story = Api(), []
    app = web.Application()
    app.add_routes([web.post("/twirp/livekit.RoomService/{method}", api.serve)])
    async with serving(app) as url:
        rooms = LiveKitRooms(
            url=url.replace("http", "ws", 1) + "/",
            key=KEY,
            joined=lambda room, who: story.append(f"{who} joined {room}"),
            left=lambda room, who: story.append(f"{who} left {room}"),
        )
        looking = asyncio.ensure_future(rooms.run())
        try:
            yield api, rooms, story
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def look(api: Api) -> None:
    """Let it look twice: the second time it has seen all that was there before."""
    for _ in range(2):
        api.looks.clear()
        await asyncio.wait_for(api.looks.wait(), 5)


async def test_who_comes_and_goes_is_told(monkeypatch):
    async with watched(monkeypatch) as (api, rooms, story):
        rooms.opened("r")
        await look(api)  # nobody has joined: LiveKit knows no such room
        api.inside["r"] = ["cloud", "box"]
        await look(api)
        api.inside["r"] = ["cloud"]
        await look(api)
        assert story == ["box joined r", "cloud joined r", "box left r"] and rooms.rooms == {"r": ["cloud"]}


async def test_a_session_that_ends_takes_its_room_along(monkeypatch):
    async with watched(monkeypatch) as (api, rooms, story):
        rooms.opened("r")
        rooms.opened("s")
        await rooms.end_room("r")
        await rooms.end_room("r")
        await rooms.close()
        assert [call for call in api.asked if call[0] == "DeleteRoom"] == [("DeleteRoom", "r"), ("DeleteRoom", "s")]
        assert rooms.rooms == {} and story == []


async def test_a_server_in_trouble_is_complained_of_once_and_puts_nobody_out(monkeypatch, caplog):
    async with watched(monkeypatch) as (api, rooms, story):
        rooms.opened("r")
        api.inside["r"] = ["box"]
        await look(api)
        api.status = 500
        await look(api)
        await look(api)
        assert story == ["box joined r"] and caplog.text.count("does not answer") == 1


@pytest.mark.parametrize(
    ("url", "environ", "text"),
    [
        ("livekit.example", {}, "is no URL"),
        ("wss://livekit.example", {}, "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET"),
        ("wss://livekit.example", {"LIVEKIT_API_KEY": "k"}, "set LIVEKIT_API_SECRET"),
    ],
)
def test_what_is_missing_is_named(url, environ, text):
    with pytest.raises(ValueError, match=text):
        livekit_at(url, environ)


def test_a_server_and_its_key():
    found = livekit_at("https://livekit.example", {"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"})
    assert (found.url, found.key) == ("https://livekit.example", SigningKey("k", "s"))
    assert "'s'" not in repr(found)
