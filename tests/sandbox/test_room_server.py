"""The embedded room as a plain WebSocket client sees it: conformance rows 35-40. Media has tests of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from livekit.protocol.models import DisconnectReason, ParticipantInfo, TrackType
from livekit.protocol.rtc import (
    AddTrackRequest,
    LeaveRequest,
    MuteTrackRequest,
    RequestResponse,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    TrickleRequest,
)

from service.room import link, peers
from service.room.tracks import PacketQueue
from service.sandbox import downlink, participant, room_server
from service.sandbox.room_server import RoomServer
from service.sandbox.tokens import Grant, SigningKey, mint, verify
from tests.fakes.servers import serving

KEY = SigningKey("key", "planted-signing-secret-of-32-bytes-or-more")


@dataclass
class Rooms:
    url: str = ""
    happened: list[str] = field(default_factory=list)
    http: aiohttp.ClientSession = field(init=False)
    server: RoomServer = field(init=False)

    def token(self, identity: str, **rights: bool) -> str:
        return mint(Grant(identity, "r", **rights), KEY, now_s=time.time())

    @asynccontextmanager
    async def joined(self, identity: str, **rights: bool) -> AsyncIterator["Client"]:
        """A client that has got its join and its refreshed token."""
        url = f"{self.url}/livekit/rtc?access_token={self.token(identity, **rights)}"
        async with self.http.ws_connect(url, max_msg_size=0) as socket:
            client = Client(socket)
            await client.until("join")
            await client.until("refresh_token")
            yield client


class Client:
    """One signalling socket, by hand."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.joined: ParticipantInfo | None = None
        self.others: set[str] = set()

    async def tell(self, **request: object) -> None:
        await self.socket.send_bytes(SignalRequest(**request).SerializeToString())

    async def until(self, kind: str):
        """The next message of this kind."""
        while True:
            response = SignalResponse.FromString(await self.socket.receive_bytes(timeout=5))
            if response.WhichOneof("message") == "join":
                self.joined = response.join.participant
                self.others = {info.identity for info in response.join.other_participants}
            if response.WhichOneof("message") == kind:
                return getattr(response, kind)

    async def until_left(self, identity: str) -> str:
        """The SID of a participant of this identity that is gone."""
        while True:
            (info,) = (await self.until("update")).participants
            if info.identity == identity and info.state == ParticipantInfo.DISCONNECTED:
                return info.sid

    async def until_closed(self) -> int:
        """The code with which the server closes."""
        while (message := await self.socket.receive(timeout=5)).type is aiohttp.WSMsgType.BINARY:
            pass
        return message.data if message.type is aiohttp.WSMsgType.CLOSE else 0

    async def is_served(self) -> bool:
        await self.tell(ping=7)
        return await self.until("pong") > 0


def reason(leave: LeaveRequest) -> tuple[str, str]:
    return DisconnectReason.Name(leave.reason), LeaveRequest.Action.Name(leave.action)


@pytest.fixture
async def rooms():
    rooms = Rooms()
    rooms.server = RoomServer(
        verify=lambda token: verify(token, KEY),
        refresh=lambda grant: "newer",
        fault=lambda name: False,
        joined=lambda room, identity: rooms.happened.append(f"+{identity}"),
        left=lambda room, identity: rooms.happened.append(f"-{identity}"),
    )
    app = web.Application()
    app.add_routes(rooms.server.routes())
    async with serving(app) as rooms.url, aiohttp.ClientSession() as rooms.http:
        yield rooms
    assert rooms.server.rooms == {}, "everything is freed"
    await peers.closed()


# -- the routes


async def test_v1_is_refused_so_that_browsers_may_read_it(rooms):
    for path in ("/rtc/v1", "/livekit/rtc/v1", "/livekit/rtc/v1/validate", "//rtc/v1"):
        async with rooms.http.get(rooms.url + path) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (404, "*")
            assert "room" not in await answer.text(), "not the text that means a missing room"


@pytest.mark.parametrize("path", ["/rtc", "//rtc", "/livekit/rtc", "/livekit//rtc", "/a/b/rtc"])
async def test_it_is_found_under_any_prefix_and_with_a_doubled_slash(rooms, path):
    token = rooms.token("box")
    url = aiohttp.client.URL(f"{rooms.url}{path}?access_token={token}", encoded=True)
    async with rooms.http.ws_connect(url) as socket:
        await Client(socket).until("join")
    url = aiohttp.client.URL(f"{rooms.url}{path}/validate", encoded=True)
    async with rooms.http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert (answer.status, await answer.text()) == (200, "success")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    async with rooms.http.get(aiohttp.client.URL(rooms.url + path, encoded=True)) as answer:
        assert answer.status == 404, "a plain GET is no join"


async def test_a_resume_is_answered_with_reconnect_and_the_room_keeps_who_is_in_it(rooms):
    async with rooms.joined("box") as box:
        url = f"{rooms.url}/rtc?access_token={rooms.token('box')}&reconnect=1&sid={box.joined.sid}"
        async with rooms.http.ws_connect(url) as socket:
            again = Client(socket)
            assert reason(await again.until("leave")) == ("STATE_MISMATCH", "RECONNECT")
            assert await again.until_closed() == 1000
        assert await box.is_served()


# -- tokens


def forged(**changes: object) -> dict[str, object]:
    now_s = int(time.time())
    claims = {"iss": "key", "sub": "box", "exp": now_s + 600, "video": {"room": "r", "roomJoin": True}}
    return {**claims, **changes}


def signed(claims: dict[str, object], secret: str = KEY.secret) -> str:
    return jwt.encode(claims, secret, algorithm="HS256")


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def tokens() -> dict[str, tuple[str, bool]]:
    """Made anew for each test, which may run minutes after this file was read."""
    now_s = int(time.time())
    return {
        "good": (signed(forged()), True),
        "expired within the leeway": (signed(forged(exp=now_s - 40)), True),
        "expired": (signed(forged(exp=now_s - 61)), False),
        "not yet valid": (signed(forged(nbf=now_s + 600)), False),
        "signed by somebody else": (signed(forged(), "another-signing-secret-of-32-bytes-or-more"), False),
        "of another issuer": (signed(forged(iss="other")), False),
        "without a grant": (signed(forged(video=None)), False),
        "without the right to join": (signed(forged(video={"room": "r"})), False),
        "without a room": (signed(forged(video={"roomJoin": True})), False),
        "algorithm none": (jwt.encode(forged(), None, algorithm="none"), False),
        "RS256": (jwt.encode(forged(), RSA, algorithm="RS256"), False),
        "nonsense": ("nonsense", False),
        "none at all": ("", False),
    }


@pytest.mark.parametrize("kind", tokens())
async def test_tokens(rooms, kind):
    token, good = tokens()[kind]
    for where in ({"headers": {"Authorization": f"Bearer {token}"}}, {"params": {"access_token": token}}):
        async with rooms.http.get(f"{rooms.url}/rtc/validate", **where) as answer:
            assert answer.status == (200 if good else 401)
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert not token or token not in await answer.text()
        try:
            async with rooms.http.ws_connect(f"{rooms.url}/rtc", **where) as socket:
                await Client(socket).until("join")
                assert good
        except aiohttp.WSServerHandshakeError as refusal:
            assert (refusal.status, good) == (401, False)


# -- who is in the room


async def test_the_others_see_who_comes_mutes_and_goes(rooms):
    async with rooms.joined("phone", can_publish=False, can_publish_data=False) as phone:
        assert not phone.joined.permission.can_publish and phone.joined.permission.can_subscribe
        async with rooms.joined("box") as box:
            assert box.joined.sid.startswith("PA_")
            await box.tell(leave=LeaveRequest())
            assert reason(await box.until("leave")) == ("CLIENT_INITIATED", "DISCONNECT")
            assert await box.until_closed() == 1000
        assert await phone.until_left("box") == box.joined.sid
    assert rooms.happened[:3] == ["+phone", "+box", "-box"]


async def test_one_that_vanishes_without_leave_is_gone_at_once(rooms):
    async with rooms.joined("phone") as phone:
        async with rooms.joined("box") as box:
            box.socket._response.connection.transport.abort()
            assert await phone.until_left("box") == box.joined.sid


async def test_the_second_holder_of_an_identity_puts_the_first_out(rooms):
    async with rooms.joined("box") as first:
        async with rooms.joined("box") as second:
            assert reason(await first.until("leave")) == ("DUPLICATE_IDENTITY", "DISCONNECT")
            assert await first.until_closed() == 1000
            async with rooms.joined("phone") as phone:
                assert phone.others == {"box"}, "one room, although it was empty for a moment"
            assert await second.is_served()
    assert rooms.happened == ["+box", "-box", "+box", "+phone", "-phone", "-box"]


async def test_fifty_at_once_with_one_token_leave_one(rooms):
    async with rooms.joined("phone") as phone:

        async def come() -> bool:
            try:
                async with rooms.joined("box") as one:
                    return "DUPLICATE" not in DisconnectReason.Name((await one.until("leave")).reason)
            except TimeoutError:
                return True

        come_all = [asyncio.ensure_future(come()) for _ in range(50)]
        while sum(task.done() for task in come_all) < 49:
            assert await phone.is_served()
        assert sorted(rooms.server.rooms["r"].participants) == ["box", "phone"]
        (last,) = rooms.server.rooms["r"].others(rooms.server.rooms["r"].participants["phone"])
        last.end("PARTICIPANT_REMOVED")
        assert sum(await asyncio.gather(*come_all)) == 1


async def test_a_full_room_takes_nobody_else(rooms, monkeypatch):
    monkeypatch.setattr(room_server, "MAX_PARTICIPANTS", 1)
    async with rooms.joined("box") as box:
        async with rooms.http.ws_connect(f"{rooms.url}/rtc?access_token={rooms.token('phone')}") as socket:
            late = Client(socket)
            assert reason(await late.until("leave")) == ("JOIN_FAILURE", "DISCONNECT")
            assert await late.until_closed() == 1000
        assert await box.is_served()


async def test_the_end_of_a_room_is_told_to_all(rooms):
    async with rooms.joined("box") as box, rooms.joined("phone") as phone:
        ending = asyncio.ensure_future(rooms.server.end_room("r"))
        for one in (box, phone):
            assert reason(await one.until("leave")) == ("ROOM_DELETED", "DISCONNECT")
            assert await one.until_closed() == 1000
        await ending
    await rooms.server.end_room("r")  # no such room: nothing happens


# -- hostile clients: limited, and the others do not notice


async def put_out(rooms, attack, *, expected: str | None) -> None:
    """Let a client attack while another one is in the room; it is put out, for this reason if one is told."""
    async with rooms.joined("phone") as phone:
        async with rooms.joined("box") as box:
            await attack(box)
            if expected is not None:
                assert DisconnectReason.Name((await box.until("leave")).reason) == expected
            await box.until_closed()
        await phone.until_left("box")
        assert await phone.is_served()


async def test_a_giant_frame(rooms):
    async def attack(box: Client) -> None:
        with suppress(ConnectionError):  # it may be put out before it has sent it all
            await box.socket.send_bytes(bytes(10_000_000))

    await put_out(rooms, attack, expected=None)


async def test_a_flood_of_requests(rooms):
    async def flood(box: Client) -> None:
        for _ in range(participant.MAX_REQUESTS_PER_S * 2):
            await box.tell(ping=1)

    await put_out(rooms, flood, expected="STATE_MISMATCH")


async def test_an_offer_of_a_hundred_sections(rooms):
    sdp = "v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 100
    await put_out(rooms, lambda box: box.tell(offer=SessionDescription(sdp=sdp)), expected="STATE_MISMATCH")


@pytest.mark.parametrize("sdp", ["", "v=0", "nonsense", "\x00" * 1000, "m=audio x y z\r\n"])
async def test_an_offer_that_is_none(rooms, sdp):
    await put_out(rooms, lambda box: box.tell(offer=SessionDescription(sdp=sdp)), expected="STATE_MISMATCH")


async def test_an_answer_that_is_none(rooms):
    async def attack(box: Client) -> None:
        offer = await box.until("offer")
        await box.tell(answer=SessionDescription(sdp="nonsense", id=offer.id))

    await put_out(rooms, attack, expected="STATE_MISMATCH")


async def test_a_client_that_never_answers(rooms, monkeypatch):
    monkeypatch.setattr(downlink, "ANSWER_TIMEOUT_S", 0.2)
    async with rooms.joined("box") as box:
        assert reason(await box.until("leave")) == ("STATE_MISMATCH", "RECONNECT")
        assert await box.until_closed() == 1000


async def test_a_hundred_tracks(rooms):
    async with rooms.joined("box") as box:
        for number in range(100):
            await box.tell(add_track=AddTrackRequest(cid=f"c{number}", type=TrackType.AUDIO))
        answers = []
        while len(answers) < 100:
            response = SignalResponse.FromString(await box.socket.receive_bytes())
            if response.WhichOneof("message") == "track_published":
                answers.append(response.track_published.track.sid[:5])
            elif response.WhichOneof("message") == "request_response":
                answers.append(RequestResponse.Reason.Name(response.request_response.reason))
        assert answers == ["TR_AM"] * participant.MAX_TRACKS + ["LIMIT_EXCEEDED"] * (100 - participant.MAX_TRACKS)


async def test_a_flood_of_candidates(rooms):
    async with rooms.joined("box") as box:
        for target in range(150):
            await box.tell(trickle=TrickleRequest(candidateInit="{}", target=target % 2))
        assert await box.is_served()
        inside = rooms.server.rooms["r"].participants["box"]
        kept = len(inside.incoming._early_candidates) + len(inside.outgoing._early_candidates)
        assert kept == participant.MAX_CANDIDATES


@pytest.mark.parametrize("frame", ["text", "", b"", b"\xff" * 50, b"\x0a\x05"])
async def test_frames_that_mean_nothing(rooms, frame):
    async with rooms.joined("box") as box:
        await (box.socket.send_str(frame) if isinstance(frame, str) else box.socket.send_bytes(frame))
        assert await box.is_served()


async def test_video_is_refused_and_so_are_the_tracks_of_those_who_may_not_publish(rooms):
    async with rooms.joined("box") as box, rooms.joined("phone", can_publish=False) as phone:
        await box.tell(add_track=AddTrackRequest(cid="c", type=TrackType.VIDEO))
        await phone.tell(add_track=AddTrackRequest(cid="c", type=TrackType.AUDIO))
        refusals = [(await one.until("request_response")).reason for one in (box, phone)]
        assert refusals == [RequestResponse.UNSUPPORTED_TYPE, RequestResponse.NOT_ALLOWED]


async def test_muting_is_seen_by_all_and_is_the_publishers(rooms):
    url = f"{rooms.url}/livekit/"
    async with link.join(url, rooms.token("box"), sink_for=lambda _: None) as box, rooms.joined("phone") as phone:

        async def mutes() -> dict[str, bool]:
            """The box's tracks, as soon as it has two."""
            while True:
                for info in (await phone.until("update")).participants:
                    if len(info.tracks) == 2:
                        return {track.sid: track.muted for track in info.tracks}

        for name in ("one", "two"):
            await box.publish(name, PacketQueue())
        one, two = await mutes()
        for muted in (True, False):
            await phone.tell(mute=MuteTrackRequest(sid=one, muted=not muted))  # is not its own: nothing happens
            await box._send(SignalRequest(mute=MuteTrackRequest(sid=one, muted=muted)).SerializeToString())
            assert await mutes() == {one: muted, two: False}


async def test_each_hears_each_track_once_and_those_who_may_not_hear_none(rooms):
    url = f"{rooms.url}/livekit/"
    heard = []
    async with (
        link.join(url, rooms.token("box"), sink_for=lambda _: None) as box,
        link.join(url, rooms.token("deaf", can_subscribe=False), sink_for=lambda _: None) as deaf,
        link.join(url, rooms.token("phone"), sink_for=heard.append) as phone,
    ):
        # The phone is still being connected: what it is to hear has to wait, and is not forgotten.
        await asyncio.gather(*(one.wait_connected() for one in (deaf, phone)), box.publish("microphone", PacketQueue()))
        async with asyncio.timeout(5):
            while not heard:
                await asyncio.sleep(0.01)
        assert [track.name for track in heard] == ["microphone"]
        assert [len(one._subscriber.pc.getTransceivers()) for one in (phone, deaf, box)] == [1, 0, 0]
