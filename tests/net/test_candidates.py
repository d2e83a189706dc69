"""What the signalling looks like behind the relay."""

import base64
import gzip
import json

import pytest
from livekit.protocol.rtc import (
    JoinRequest,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    SyncState,
    TrickleRequest,
    WrappedJoinRequest,
)

from tests.net import candidates

UDP = "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host"
TCP = "candidate:2 1 tcp 1671430143 192.0.2.1 7881 typ host tcptype passive"
TURNED = "candidate:3 1 UDP 5 192.0.2.9 4000 typ relay raddr 10.0.0.1 rport 9"
SDP = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{}a=end-of-candidates\r\n"


def alias(address, relayed):
    return "127.0.0.1", address[1] + (20_000 if relayed else 10_000)


def test_candidates_are_the_relays_and_those_it_does_not_carry_are_gone():
    assert candidates.candidate(UDP, alias) == "candidate:1 1 udp 2130706431 127.0.0.1 17882 typ host"
    assert candidates.candidate(TURNED, alias).split()[4:6] == ["127.0.0.1", "24000"]
    for other in (TCP, UDP.replace("192.0.2.1", "fe80::1"), UDP.replace("192.0.2.1", "0a1b.local")):
        assert candidates.candidate(other, alias) is None


def test_every_description_is_rewritten():
    before = SDP.format(f"a={UDP}\r\na={TCP}\r\n")
    after = SDP.format("a=candidate:1 1 udp 2130706431 127.0.0.1 17882 typ host\r\n")
    for name in ("offer", "answer"):
        description = SessionDescription(type=name, sdp=before, id=3, mid_to_track_id={"0": "TR_1"})
        for kind, rewrite in ((SignalRequest, candidates.request), (SignalResponse, candidates.response)):
            there = kind.FromString(rewrite(kind(**{name: description}).SerializeToString(), alias))
            got = getattr(there, name)
            assert (got.sdp, got.id, got.mid_to_track_id) == (after, 3, {"0": "TR_1"})
        state = SignalRequest(sync_state=SyncState(**{name: description})).SerializeToString()
        assert getattr(SignalRequest.FromString(candidates.request(state, alias)).sync_state, name).sdp == after


def test_a_trickled_candidate_is_rewritten_and_the_end_of_candidates_is_kept():
    def trickled(text: str, final: bool) -> tuple[str, str, bool] | None:
        init = json.dumps({"candidate": text, "sdpMid": "0"})
        message = SignalResponse(trickle=TrickleRequest(candidateInit=init, final=final)).SerializeToString()
        if (rewritten := candidates.response(message, alias)) is None:
            return None
        trickle = SignalResponse.FromString(rewritten).trickle
        return (
            json.loads(trickle.candidateInit)["candidate"],
            json.loads(trickle.candidateInit)["sdpMid"],
            trickle.final,
        )

    there = "candidate:1 1 udp 2130706431 127.0.0.1 17882 typ host"
    assert trickled(UDP, False) == (there, "0", False)
    assert trickled(TCP, False) is None
    assert trickled(TCP, True) == (TCP.replace("192.0.2.1 7881", "127.0.0.1 65535"), "0", True)
    assert trickled("", True) == ("", "0", True)


@pytest.mark.parametrize("compression", ["NONE", "GZIP"])
def test_the_offer_inside_a_join_request_is_rewritten(compression):
    offer = SessionDescription(type="offer", sdp=SDP.format(f"a={UDP}\r\n"))
    plain = JoinRequest(publisher_offer=offer, metadata="kept").SerializeToString()
    wrapped = WrappedJoinRequest(
        compression=compression, join_request=gzip.compress(plain) if compression == "GZIP" else plain
    )
    text = base64.urlsafe_b64encode(wrapped.SerializeToString()).rstrip(b"=")
    head = b"GET /rtc/v1?join_request=" + text + b"&x=1 HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: z"
    line, *rest = candidates.request_head(head, alias).split(b"\r\n")
    assert rest == [b"Upgrade: websocket"], "no compression"
    text = line.split(b"join_request=")[1].split(b"&")[0].replace(b"%3D", b"=")
    wrapped = WrappedJoinRequest.FromString(base64.urlsafe_b64decode(text))
    plain = gzip.decompress(wrapped.join_request) if compression == "GZIP" else wrapped.join_request
    join = JoinRequest.FromString(plain)
    assert " 127.0.0.1 17882 " in join.publisher_offer.sdp and join.metadata == "kept"


def masked(frame: bytes, payload: bytes) -> bytes:
    key = b"\x01\x02\x03\x04"
    return frame + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


@pytest.mark.parametrize("piece_bytes", [1, 7, 100_000])
def test_frames_are_found_however_the_stream_is_cut(piece_bytes):
    seen = []

    def message(payload: bytes) -> bytes | None:
        seen.append(payload)
        return None if payload == b"drop" else payload[::-1]

    long, longer = bytes(range(256)) * 2, bytes(70_000)
    stream = (
        b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n" + masked(b"\x82\x84", b"drop") + masked(b"\x82\x85", b"abcde")
    )
    stream += b"\x82\x7e\x02\x00" + long + b"\x89\x02hi" + b"\x82\x7f" + (70_000).to_bytes(8) + longer + b"\x82\x00"
    one = candidates.Stream(head=lambda head: head.lower(), message=message)
    out = b"".join(one.feed(stream[at : at + piece_bytes]) for at in range(0, len(stream), piece_bytes))
    assert seen == [b"drop", b"abcde", long, longer, b""]
    assert out == (
        b"get / http/1.1\r\nupgrade: websocket\r\n\r\n\x82\x85\0\0\0\0edcba\x82\x7e\x02\x00"
        + (long[::-1] + b"\x89\x02hi\x82\x7f" + (70_000).to_bytes(8) + longer + b"\x82\x00")
    )


def test_nonsense_and_plain_http_pass_as_they_are():
    stream = candidates.Stream(head=lambda head: head, message=lambda one: candidates.response(one, alias))
    stream.feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    for frame in (b"\x82\x03\xff\xff\xff", b"\x81\x02{}", b"\x88\x02\x03\xe8"):
        assert stream.feed(frame) == frame
    plain = candidates.Stream(head=lambda head: candidates.request_head(head, alias), message=lambda one: b"never")
    sent = b"POST /twirp HTTP/1.1\r\nConnection: keep-alive\r\n\r\n\x82\x01x"
    assert plain.feed(sent) == b"POST /twirp HTTP/1.1\r\nConnection: close\r\n\r\n\x82\x01x"
