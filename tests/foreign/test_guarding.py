"""Rows 38 to 40: who is not let in, who is kept from harming the others, and who is gone without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from livekit import rtc
from livekit.protocol.models import TrackType
from livekit.protocol.rtc import (
    AddTrackRequest,
    LeaveRequest,
    RequestResponse,
    SignalRequest,
    SignalResponse,
    TrickleRequest,
)

from service.sandbox import downlink, participant, room_server
from service.sandbox.participant import Participant
from service.sandbox.tokens import SigningKey
from tests.conformance.people import until
from tests.conformance.servers import KEY
from tests.foreign.people import Join, hears, ours, sees
from tests.foreign.stage import Stage
from tests.net.relay import relay
from tests.net.script import step

pytestmark = pytest.mark.slow

NOW_S = 1_800_000_000
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = "another-secret-of-32-characters-or-more!"


class StoppedClock(datetime):
    """For PyJWT, so that a second more or less is no matter of how busy the machine is."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW_S, tz)


def signed(algorithm: str = "HS256", key: object = KEY.secret, **changes: object) -> str:
    claims = {"iss": KEY.key, "sub": "first", "exp": NOW_S + 600, "video": {"room": "r", "roomJoin": True}}
    return jwt.encode(claims | changes, key, algorithm=algorithm)


TOKENS: dict[str, tuple[str, int]] = {
    "good": (signed(), 200),
    "expired for 59 s": (signed(exp=NOW_S - 59), 200),
    "expired for 61 s": (signed(exp=NOW_S - 61), 401),
    "valid in 59 s": (signed(nbf=NOW_S + 59), 200),
    "valid in 61 s": (signed(nbf=NOW_S + 61), 401),
    "nonsense": ("nonsense", 401),
    "signature of another secret": (signed(key=OTHER), 401),
    "of another key": (signed(iss="other"), 401),
    "no grant": (signed(video=None), 401),
    "no right to join": (signed(video={"room": "r"}), 401),
    "algorithm none": (signed("none", None), 401),
    "RS256": (signed("RS256", RSA), 401),
}


@pytest.mark.parametrize("kind", TOKENS)
async def test_row_38_tokens(server: Stage, monkeypatch, kind: str):
    monkeypatch.setattr(jwt.api_jwt, "datetime", StoppedClock)
    token, status = TOKENS[kind]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        async with http.get(f"{server.url}/rtc/validate") as answer:
            assert answer.status == status
            assert token not in await answer.text()
        try:
            async with http.ws_connect(f"{server.url}/rtc"):
                assert status == 200
        except aiohttp.WSServerHandshakeError as refusal:
            assert refusal.status == status


@pytest.mark.parametrize(
    "wrong", [{"valid_s": -600.0}, {"key": SigningKey(KEY.key, OTHER)}], ids=["expired", "foreign"]
)
async def test_row_38_a_refused_client_says_so_and_gives_up(server: Stage, client: Join, wrong: dict):
    with pytest.raises((rtc.ConnectError, AssertionError), match=r"(?i)token|401|unauthorized|not allowed"):
        async with client(server.url, server.token("first", **wrong)):
            pytest.fail("it was let in")
    assert server.statuses["/rtc"] == 401
    assert not server.inside


# -- attacks


class Attacker:
    """One signalling socket, by hand, of an identity of its own."""

    def __init__(self, server: Stage, http: aiohttp.ClientSession) -> None:
        self._server, self._http = server, http

    def socket(self):
        """A connection to be."""
        token = self._server.token("attacker")
        return self._http.ws_connect(f"{self._server.url}/rtc?access_token={token}", max_msg_size=0)

    async def is_out(self) -> None:
        """Wait until the server has put every one of it out."""
        await until(lambda: "attacker" not in self._server.inside, "the attacker put out")


async def tell(socket: aiohttp.ClientWebSocketResponse, **request: object) -> None:
    await socket.send_bytes(SignalRequest(**request).SerializeToString())


async def end(socket: aiohttp.ClientWebSocketResponse) -> str:
    """What it is told to do when it is put out, if anything."""
    action = ""
    async for frame in socket:
        response = SignalResponse.FromString(frame.data)
        if response.HasField("leave"):
            action = LeaveRequest.Action.Name(response.leave.action)
    return action


async def never_answers(attacker: Attacker) -> None:
    async with attacker.socket() as socket:
        assert await end(socket) == "RECONNECT"
        await attacker.is_out()


async def floods_trickle(attacker: Attacker) -> None:
    async with attacker.socket() as socket:
        for _ in range(participant.MAX_REQUESTS_PER_S * 2):
            await tell(socket, trickle=TrickleRequest(candidateInit="{}"))
        assert await end(socket) == "DISCONNECT"
        await attacker.is_out()


async def sends_ten_megabytes(attacker: Attacker) -> None:
    async with attacker.socket() as socket:
        with suppress(ConnectionError):  # it may be put out before all of it is sent
            await socket.send_bytes(bytes(10_000_000))
        assert await end(socket) == "", "it is cut off"
        await attacker.is_out()


async def opens_fifty_sockets(attacker: Attacker) -> None:
    sockets = await asyncio.gather(*(attacker.socket() for _ in range(50)))
    try:
        ends = [asyncio.ensure_future(end(socket)) for socket in sockets]
        await until(lambda: sum(one.done() for one in ends) >= 49, "all but one put out")
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))
    await asyncio.gather(*ends)
    await attacker.is_out()


async def announces_a_hundred_tracks(attacker: Attacker) -> None:
    async with attacker.socket() as socket:
        for number in range(100):
            await tell(socket, add_track=AddTrackRequest(cid=f"c{number}", type=TrackType.AUDIO))
        published, refused = 0, []
        while published + len(refused) < 100:
            response = SignalResponse.FromString(await socket.receive_bytes(timeout=5))
            published += response.HasField("track_published")
            if response.HasField("request_response"):
                refused.append(response.request_response.reason)
        assert published == participant.MAX_TRACKS
        assert set(refused) == {RequestResponse.LIMIT_EXCEEDED}
    await attacker.is_out()


ATTACKS: tuple[Callable[[Attacker], Awaitable[None]], ...] = (
    never_answers,
    floods_trickle,
    sends_ten_megabytes,
    opens_fifty_sockets,
    announces_a_hundred_tracks,
)


async def test_row_39_whoever_attacks_is_limited_and_the_others_hear_on(server: Stage, client: Join, monkeypatch):
    monkeypatch.setattr(downlink, "ANSWER_TIMEOUT_S", 3.0)
    async with (
        aiohttp.ClientSession() as http,
        ours(server.url, server.token("box")) as box,
        client(server.url, server.token("first")) as one,
    ):
        await asyncio.gather(box.sing(440), one.sing(660))
        await asyncio.gather(hears(box, "first", 660), hears(one, "box", 440))
        for number, attack in enumerate(ATTACKS):
            async with asyncio.timeout(30):
                await attack(Attacker(server, http))
            await asyncio.gather(box.sing(500 + 50 * number), one.sing(800 + 50 * number))
            await asyncio.gather(hears(box, "first", 800 + 50 * number), hears(one, "box", 500 + 50 * number))
            assert not (await one.look()).events, f"{attack.__name__} has disturbed it"
        assert server.inside == {"box", "first"}


# -- gone without a word: no leave, no FIN, no RST


async def freed(server: Stage, gone: Participant) -> None:
    """Wait until nothing of this participant, who is out of the room, is left."""
    await until(lambda: server.inside == {"box"}, "the room without the other")
    peers = (gone.incoming.pc, gone.outgoing.pc)
    await until(lambda: {peer.connectionState for peer in peers} == {"closed"}, "its connections closed")
    (box,) = server.rooms.rooms[server.room].participants.values()
    assert not any(track.listeners for track in box.tracks.values()), "nothing is queued for it"
    assert gone._negotiating.done(), "nothing is offered to it"


async def test_row_40_one_whose_network_is_gone_is_gone_and_freed(server: Stage, client: Join, monkeypatch):
    """Only the server's pings tell."""
    monkeypatch.setattr(room_server, "HEARTBEAT_S", 2.0)
    async with (
        relay(server.url) as net,
        ours(server.url, server.token("box")) as box,
        client(net.url, server.token("first")) as one,
    ):
        await asyncio.gather(box.sing(440), one.sing(660))
        await asyncio.gather(hears(box, "first", 660), hears(one, "box", 440))
        gone = server.rooms.rooms[server.room].participants["first"]
        net.play(step(blocked=True))
        await sees(box, lambda seen: "first" not in seen.muted, "that the first is gone")
        await freed(server, gone)
        net.play()
