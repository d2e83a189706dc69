"""Rows 6 to 10, 14 and 15: what goes over the socket, with a relay that listens and lies."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterable

import pytest
from aiohttp import web
from aiortc.sdp import SessionDescription as Sdp
from livekit.protocol.rtc import (
    SessionDescription,
    SignalRequest,
    SignalResponse,
    SignalTarget,
    TrickleRequest,
)

from service.core.audio import EncodedFrame
from service.core.errors import LinkLost
from service.room import link, peers
from service.room.tracks import PacketQueue
from tests.conformance import scripted
from tests.conformance.people import TEXT, Ears, joined, speaker, speaking, until
from tests.conformance.servers import EMBEDDED, OLD
from tests.conformance.slow_path import split_candidates, without_our_candidates

UNKNOWN_MEMBER = b"\xc2\x3e\x01x"  # field 1000, one byte
MEANINGLESS = [
    UNKNOWN_MEMBER,
    SignalResponse(pong=1).SerializeToString() + UNKNOWN_MEMBER,
    "a text frame",
    b"",
    b"\x1a\x7ftruncated",
]


async def test_row_06_frames_that_mean_nothing_are_survived(server, wire, caplog):
    ears = Ears()
    async with (
        speaker(server, "box", "microphone", "hello", ears=ears, url=wire.url),
        joined(server, "cloud") as cloud,
    ):
        caplog.set_level(logging.INFO, "service.room")
        for frame in MEANINGLESS * 3:
            await wire.tell(frame)
        async with speaking(cloud, "translation_es", "after"):
            await ears.hears("cloud", "translation_es", "after")
    said = Counter(record.getMessage() for record in caplog.records if record.name.startswith("service.room"))
    assert not [text for text, times in said.items() if times > 3], "logged once a frame"


def _keep_alive(interval_s: int, timeout_s: int):
    def down(message: SignalResponse) -> Iterable[SignalResponse]:
        if message.WhichOneof("message") == "join":
            message.join.ping_interval, message.join.ping_timeout = interval_s, timeout_s
        return [message]

    return down


@pytest.mark.slow
async def test_row_07_pings_go_out_and_silence_is_noticed(server, wire):
    wire.down = _keep_alive(1, 2)
    async with speaker(server, "box", "microphone", "hello", url=wire.url) as box:
        await until(lambda: wire.sent("pong_resp") and wire.sent("pong"), "answers to both kinds of ping")
        assert wire.heard("ping_req") and wire.heard("ping")
        pump, sockets = asyncio.ensure_future(box.pump()), len(wire.requests)
        wire.down = lambda message: []
        # Either the link ends, or it comes anew.
        await until(lambda: pump.done() or len(wire.requests) > sockets, "a dead socket given up")
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


@pytest.mark.slow
async def test_row_07_an_interval_of_zero_neither_spins_nor_crashes(server, wire):
    wire.down = _keep_alive(0, 0)
    async with speaker(server, "box", "microphone", "hello", url=wire.url):
        await asyncio.sleep(1.5)  # the client looks once a second
        assert len(wire.heard("ping_req")) <= 1


async def test_row_08_answers_carry_the_ids_of_their_offers(server, wire):
    ears = Ears()
    async with (
        speaker(server, "box", "microphone", "hello", ears=ears, url=wire.url) as box,
        speaker(server, "cloud", "translation_es", "hola") as cloud,
        speaking(cloud, "translation_fr", "salut"),
        speaking(box, "second", "hello"),
    ):
        await ears.hears("cloud", "translation_es", "hola")
        await ears.hears("cloud", "translation_fr", "salut")
        offered = [message.offer.id for message in wire.sent("offer")]
        assert len(offered) >= 2
        assert [message.answer.id for message in wire.heard("answer")] == offered
        if server.name == OLD:
            assert set(offered) == {0}
        else:
            assert offered == list(range(offered[0], offered[0] + len(offered))) and offered[0] > 0
    ours = [message.offer.id for message in wire.heard("offer")]
    assert len(ours) >= 2 and ours == list(range(1, len(ours) + 1))


async def test_row_08_stale_answers_are_dropped_and_zero_counts(server, wire):
    async with speaker(server, "box", "microphone", "hello", url=wire.url) as box:

        def with_a_stale_one(message: SignalResponse) -> Iterable[SignalResponse]:
            if message.WhichOneof("message") == "answer":
                number = len(wire.heard("offer"))
                yield SignalResponse(answer=SessionDescription(type="answer", sdp="nonsense", id=number - 1))
                message.answer.id = 0
            yield message

        wire.down = with_a_stale_one
        ears = Ears()
        async with speaking(box, "second", "heard"), joined(server, "cloud", ears=ears) as cloud:
            await cloud.wait_connected()
            await ears.hears("box", "second", "heard")
        assert [message.offer.id for message in wire.heard("offer")] == [1, 2]


async def test_row_09_three_offers_back_to_back_are_answered_in_order():
    answers: list[SessionDescription] = []
    loud = [PacketQueue(), PacketQueue()]

    async def play(socket: web.WebSocketResponse) -> None:
        peer = peers.OfferingPeer(ice_servers=[], changed=lambda state: None)
        peer.add_channels()
        await socket.send_bytes(scripted.join("TR_0", "TR_1"))
        offers = [await peer.offer()]
        for n, queue in enumerate(loud):
            peer.add_track(queue, stream_id="PA_other", track_id=f"TR_{n}")
            offers.append(await peer.offer())
        for number, sdp in enumerate(offers, 7):
            offer = SessionDescription(type="offer", sdp=sdp, id=number)
            await socket.send_bytes(SignalResponse(offer=offer).SerializeToString())
        async for frame in socket:
            message = SignalRequest.FromString(frame.data)
            if message.WhichOneof("message") == "answer":
                answers.append(message.answer)
                if len(answers) == len(offers):
                    await peer.accept(message.answer.sdp)
            elif message.WhichOneof("message") == "leave":
                break
        peer.close()

    ears = Ears()
    async with scripted.playing(play) as url, link.join(url, "token", sink_for=ears):
        await until(lambda: len(answers) == 3, "three answers")
        assert [answer.id for answer in answers] == [7, 8, 9]
        assert [answer.sdp.count("m=audio") for answer in answers] == [0, 1, 2]
        n = 0
        async with asyncio.timeout(10):
            while len(ears.heard) < 2 or not all(ears.heard.values()):
                for queue in loud:
                    queue.push(EncodedFrame(n, n * 960, TEXT + b"hello"))
                n += 1
                await asyncio.sleep(0.02)
    await peers.closed()


TCP = {"candidate": "candidate:9 1 tcp 1 127.0.0.1 9 typ host tcptype passive", "sdpMid": "0", "sdpMLineIndex": 0}


class CandidatesFirst:
    """Turns the server's messages so that the subscriber's candidates come before its offer, a TCP one among them."""

    def __init__(self) -> None:
        self._offer: SignalResponse | None = None
        self._done = False

    def __call__(self, message: SignalResponse) -> Iterable[SignalResponse]:
        kind = message.WhichOneof("message")
        if kind == "offer" and not self._done:
            self._offer = message
            found, message.offer.sdp = split_candidates(message.offer.sdp)
            if not found:
                return  # they come by trickle
            for line in found:
                init = {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}
                yield _trickle(json.dumps(init), final=line is found[-1])
        elif kind != "trickle" or message.trickle.target != SignalTarget.SUBSCRIBER or self._done:
            yield message
            return
        else:
            yield message
            if not message.trickle.final:
                return
        yield _trickle(json.dumps(TCP), final=False)
        assert self._offer is not None
        self._done = True
        yield self._offer


def _trickle(candidate_init: str, *, final: bool) -> SignalResponse:
    trickle = TrickleRequest(candidateInit=candidate_init, target=SignalTarget.SUBSCRIBER, final=final)
    return SignalResponse(trickle=trickle)


async def test_row_10_candidates_before_the_offer_are_kept_and_tcp_does_no_harm(server, wire):
    wire.down, wire.up = CandidatesFirst(), without_our_candidates
    ears = Ears()
    async with (
        speaker(server, "cloud", "translation_es", "hola"),
        speaker(server, "box", "microphone", "hello", ears=ears, url=wire.url),
    ):
        await ears.hears("cloud", "translation_es", "hola")


async def test_row_10_no_candidate_at_all_ends_in_time(server, wire, monkeypatch):
    def none(message: SignalResponse) -> Iterable[SignalResponse]:
        kind = message.WhichOneof("message")
        if kind == "trickle":
            return []
        if kind in ("offer", "answer"):
            description = getattr(message, kind)
            _, description.sdp = split_candidates(description.sdp)
        return [message]

    wire.down, wire.up = none, without_our_candidates
    monkeypatch.setattr(link, "CONNECT_TIMEOUT_S", 0.4)
    async with joined(server, "box", url=wire.url) as box, speaking(box, "microphone", "hello"):
        with pytest.raises(LinkLost):
            await box.wait_connected()


@pytest.mark.parametrize("first", ["track", "data"])
async def test_row_14_the_cid_is_the_msid_token_whatever_comes_first(server, wire, first):
    ears = Ears()
    async with joined(server, "cloud", ears=ears) as cloud, joined(server, "box", url=wire.url) as box:
        await cloud.wait_connected()
        if first == "data":
            await box.wait_connected()
        async with speaking(box, "microphone", "one"), speaking(box, "second", "two"):
            await box.wait_connected()
            await ears.hears("box", "microphone", "one")
            await ears.hears("box", "second", "two")
    cids = [message.add_track.cid for message in wire.heard("add_track")]
    named = [media.msid.split()[1] for media in Sdp.parse(wire.heard("offer")[-1].offer.sdp).media if media.msid]
    assert len(set(cids)) == 2 and named == cids


async def test_row_15_a_track_that_is_not_answered(server, wire, monkeypatch):
    monkeypatch.setattr("service.room.publishing.PUBLISH_TIMEOUT_S", 0.3)
    wire.down = lambda message: [] if message.WhichOneof("message") == "track_published" else [message]
    async with joined(server, "box", url=wire.url) as box:
        with pytest.raises(LinkLost, match="microphone"):
            await box.publish("microphone", PacketQueue())


async def test_row_15_a_track_that_is_refused(server, monkeypatch):
    monkeypatch.setattr("service.room.publishing.PUBLISH_TIMEOUT_S", 1.0)  # 1.8.4 says nothing at all
    async with joined(server, "box", can_publish=False) as box:
        with pytest.raises(LinkLost, match="microphone") as caught:
            await box.publish("microphone", PacketQueue())
        assert ("NOT_ALLOWED" in str(caught.value)) == (server.name != OLD)
        await box.wait_connected()


@pytest.mark.parametrize("server", [EMBEDDED], indirect=True)
async def test_row_15_a_switch_refuses_tracks(server):
    server.faults.add("refuse-track")
    async with joined(server, "box") as box:
        with pytest.raises(LinkLost, match="microphone"):
            await box.publish("microphone", PacketQueue())
