"""What ends a link and what follows: resumed, joined anew, or a new session (rows 22, 26 to 31)."""

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest, SignalResponse

from service.core.audio import EncodedFrame
from service.core.errors import LinkLost, TokenRefused
from service.core.phase import Phase
from service.core.session import Session
from service.room import link
from service.room import signal_protocol as signal
from service.room.rooms import Rooms
from service.room.tracks import PacketQueue
from service.system.addresses import host_addresses
from tests.conformance import scripted
from tests.conformance.booth import booth
from tests.conformance.people import joined

pytestmark = pytest.mark.slow


def session(url: str, token: str) -> Session:
    return Session("id", token, (), "room", url, None)


async def told(request: web.Request, *messages: bytes) -> web.WebSocketResponse:
    """A socket that says this, and is kept open."""
    socket = web.WebSocketResponse(timeout=0.2)
    await socket.prepare(request)
    for message in messages:
        await socket.send_bytes(message)
    async for _ in socket:
        pass
    return socket


async def refused(request: web.Request, status: int) -> web.Response:
    return web.Response(status=status)


LEAVE = SignalResponse(
    leave=LeaveRequest(action=LeaveRequest.RECONNECT, reason=DisconnectReason.STATE_MISMATCH)
).SerializeToString()
ANSWERS = {
    "leave": lambda request: told(request, LEAVE),
    "join": lambda request: told(request, scripted.join()),
    "silence": told,
    "401": lambda request: refused(request, 401),
    "404": lambda request: refused(request, 404),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_row_22_a_resume_that_is_refused_is_a_join(server, wire, answer, monkeypatch):
    monkeypatch.setattr("service.room.signalling.JOIN_TIMEOUT_S", 1.0)
    monkeypatch.setattr("service.room.signalling.RESUME_S", 3.0)  # so long a silent one is tried again
    async with booth(server, wire.url) as one:
        wire.resume = ANSWERS[answer]
        async with one.joining_anew():
            wire.kill()
        first, *resumes, last = [request.query.get("reconnect") for request in wire.requests]
        assert (first, last) == (None, None) and set(resumes) == {"1"}
        await one.asked()
        assert one.cloud.commands == ["set_task", "get_task"]


async def test_row_26_an_address_that_is_gone_is_left(server):
    async with booth(server) as one:
        one.rooms.moved(host_addresses())
        await one.both_heard()
        assert one.status.phase is Phase.LIVE
        async with one.joining_anew():
            one.rooms.moved(frozenset())


PUT_OUT = {"DUPLICATE_IDENTITY", "PARTICIPANT_REMOVED", "ROOM_DELETED"}


@pytest.mark.parametrize("action", ["DISCONNECT", "RECONNECT"])
async def test_row_27_whoever_is_asked_to_leave_comes_back(server, wire, action, monkeypatch):
    """Each reason that does not say that we are not wanted."""
    monkeypatch.setattr("service.room.staying.GOOD_S", 0.0)  # no link is so new that the next one has to wait
    async with booth(server, wire.url) as one:
        for reason in sorted(set(DisconnectReason.keys()) - PUT_OUT):
            leave = LeaveRequest(action=LeaveRequest.Action.Value(action), reason=DisconnectReason.Value(reason))
            joins = len(wire.requests)
            async with one.joining_anew():
                await wire.tell(SignalResponse(leave=leave))
            assert len(wire.requests) == joins + 1, reason


@pytest.mark.parametrize("reason", sorted(PUT_OUT))
async def test_row_27_whoever_is_put_out_does_not_hurry_back(server, wire, reason):
    async with booth(server, wire.url) as one:
        await wire.tell(SignalResponse(leave=LeaveRequest(reason=DisconnectReason.Value(reason))))
        await one.until(Phase.WAITING)
        await asyncio.sleep(1)
        assert one.status.phase is Phase.WAITING and reason in one.status.fault.detail
        assert len(wire.requests) == 1


async def test_row_27_two_with_one_token_do_not_fight(server):
    async with booth(server) as one, joined(server, "box") as other:
        await one.until(Phase.WAITING)
        await asyncio.sleep(2)
        assert one.status.phase is Phase.WAITING and "DUPLICATE_IDENTITY" in one.status.fault.detail
        async with asyncio.timeout(5):  # on a busy machine its checks may be answered late
            while not other.alive:
                await asyncio.sleep(0.05)


async def test_row_28_the_newest_token_joins(server, wire):
    """The first one is as old as a server takes it for a few seconds more (60 s of clock skew)."""
    async with booth(server, wire.url, valid_s=-50) as one:
        await wire.tell(SignalResponse(refresh_token=server.token("box")))
        await asyncio.sleep(11)
        wire.resume = ANSWERS["leave"]
        async with one.joining_anew():
            wire.kill()
        first, *_, last = (request.headers["Authorization"] for request in wire.requests)
        assert first != last
        with pytest.raises(TokenRefused):
            async with link.join(server.url, first.removeprefix("Bearer "), sink_for=lambda track: None):
                pass


async def test_row_30_a_stop_while_joining_ends_it(server, wire):
    """In the middle of everything, wherever that is: each time a little later."""
    for delay_ms in range(0, 300, 20):

        async def stay() -> None:
            async with Rooms().join(session(wire.url, server.token("box")), PacketQueue(), lambda language: None):
                await asyncio.Event().wait()

        staying = asyncio.ensure_future(stay())
        await asyncio.sleep(delay_ms / 1000)
        staying.cancel()
        await asyncio.wait({staying}, timeout=2)
        assert staying.cancelled()
    assert wire.heard("leave")


async def silent(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


async def joined_without_media(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(scripted.join())
    await silent(socket)


@pytest.mark.parametrize("stage", ["no join", "no media"])
async def test_row_30_a_stop_while_the_room_says_nothing_ends_it(stage):
    async with scripted.playing(silent if stage == "no join" else joined_without_media) as url:
        room = Rooms().join(session(url, "token"), PacketQueue(), lambda language: None)
        joining = asyncio.ensure_future(room.__aenter__())
        await asyncio.sleep(0.3)
        joining.cancel()
        await asyncio.wait({joining}, timeout=2)
        assert joining.cancelled()


async def test_row_30_a_stop_while_nobody_answers_ends_it(server, wire):
    async with booth(server, wire.url) as one:
        wire.refuses = True
        wire.kill()
        one.rooms.moved(frozenset())
        await one.until(Phase.WAITING)
        await asyncio.sleep(1)
        running = one.conductor_task
        running.cancel()
        await asyncio.wait({running}, timeout=2)
        assert running.cancelled()


async def test_row_31_late_events_of_a_link_that_is_gone_change_nothing(server):
    async with booth(server) as one:
        old = one.rooms._link
        async with one.joining_anew():
            one.rooms.moved(frozenset())
        heard = len(one.line_out.ear.frames)
        for event in (signal.Left("DUPLICATE_IDENTITY", "DISCONNECT"), signal.Participants()):
            with suppress(LinkLost):
                await old._on_event(event)
        old._peer_changed("publisher", "failed")
        old._peer_changed("subscriber", "closed")
        old._incoming.push("0", EncodedFrame(1, 960, b"late"))
        old._on_data("_reliable", b"late")
        await one.both_heard()
        assert one.status.phase is Phase.LIVE and len(one.outages) <= 1
        assert b"late" not in [frame.payload for frame in one.line_out.ear.frames[heard:]]
