"""Media by way of a real TURN server where there is no straight way for it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc import RTCIceServer

from service.room import peers
from service.room.peers import OfferingPeer
from tests.conformance import servers
from tests.conformance.servers import CURRENT, OLD
from tests.net.relay import relay
from tests.net.script import step
from tests.net.talk import Conversation, talking
from tests.net.turn import PASSWORD, USER, Turn, coturn, turn_server

pytestmark = pytest.mark.slow


@pytest.fixture
def turn(tmp_path):
    with coturn(tmp_path) as one:
        yield one


async def relayed(turn: Turn, way: str) -> bool:
    """Whether a connection gets an address on the TURN server."""
    server = RTCIceServer(turn.url(way), USER, PASSWORD)
    peer = OfferingPeer(ice_servers=[server], changed=lambda state: None)
    peer.add_channels()
    try:
        return " typ relay" in await peer.offer()
    finally:
        peer.close()
        await peers.closed()


async def test_a_certificate_is_checked(turn, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert await relayed(turn, "udp") and await relayed(turn, "tcp")
    assert not await relayed(turn, "tls"), "nobody knows who signed it"
    monkeypatch.setenv("SSL_CERT_FILE", str(turn.authority))
    assert await relayed(turn, "tls")


@asynccontextmanager
async def conversation_without_udp(url: str) -> AsyncIterator[Conversation]:
    """Of a box whose UDP to the LiveKit server is blocked from the beginning, and somebody near the server."""
    try:
        async with relay(url) as net:
            net.play(step(blocked=True, on="udp"))
            async with talking(net.url, "box") as box, talking(url, "other") as other:
                yield Conversation(net, box, other)
    finally:
        await peers.closed()


async def both_hear_each_other(talk: Conversation) -> None:
    async with asyncio.timeout(10):
        while min(talk.heard(await talk.go_on(0.2))) < 1:
            pass
    assert min(talk.heard(await talk.go_on(1))) > 0.8
    assert talk.net.counts("udp up").delivered == talk.net.counts("udp down").delivered == 0


@pytest.mark.parametrize("way", ["udp", "tls"])
@pytest.mark.parametrize("version", [OLD, CURRENT])
async def test_media_goes_by_coturn_when_the_straight_way_is_blocked(version, way, turn, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(turn.authority))
    with servers.real(version, tmp_path / "livekit.log", rtc={"turn_servers": [turn.told(way)]}) as url:
        async with conversation_without_udp(url) as talk:
            await both_hear_each_other(talk)
    log = turn.log.read_text()
    assert f"user <{USER}>: incoming packet CHANNEL_BIND processed, success" in log
    assert ("TLS/TCP socket" in log) == (way == "tls")


@pytest.mark.parametrize("version", [OLD, CURRENT])
async def test_tls_is_taken_where_a_network_lets_no_udp_out(version, turn, tmp_path, monkeypatch):
    """A server tells of both, and what goes to the first over UDP is never answered."""
    monkeypatch.setenv("SSL_CERT_FILE", str(turn.authority))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        told = [turn_server("udp", deaf.getsockname()[1]), turn.told("tls")]
        with servers.real(version, tmp_path / "livekit.log", rtc={"turn_servers": told}) as url:
            async with conversation_without_udp(url) as talk:
                await both_hear_each_other(talk)


@pytest.mark.parametrize("version", [OLD, CURRENT])
async def test_media_goes_by_the_servers_own_turn(version, tmp_path):
    own = {"enabled": True, "udp_port": servers.free_port(socket.SOCK_DGRAM)}
    if version == CURRENT:
        own |= {"bind_addresses": ["127.0.0.1"], "allow_restricted_peer_cidrs": ["127.0.0.0/8"]}
    with servers.real(version, tmp_path / "livekit.log", turn=own) as url:
        async with conversation_without_udp(url) as talk:
            await both_hear_each_other(talk)
