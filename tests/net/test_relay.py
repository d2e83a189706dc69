"""The network bench at work: its sockets, and our link and a foreign client through it on every server."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from livekit import rtc
from livekit.protocol.rtc import SignalResponse

from service.room import peers
from service.sandbox.tokens import Grant, mint
from tests.conformance.servers import CURRENT, EMBEDDED, KEY, NAMES, running
from tests.net.relay import Relay, relay
from tests.net.script import step
from tests.net.talk import Conversation, Talk, talking

# -- the sockets


class Lines:
    """A TCP server that answers each line with itself, and keeps how its connections ended."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[str] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
            self.ends.put_nowait("closed")
        except ConnectionResetError:
            self.ends.put_nowait("reset")
        writer.close()


@pytest.fixture
async def lines() -> AsyncIterator[tuple[Lines, Relay]]:
    lines = Lines()
    server = await asyncio.start_server(lines.serve, "127.0.0.1", 0)
    async with relay(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/livekit") as net:
        yield lines, net
    server.close()


@asynccontextmanager
async def connected(net: Relay):
    """A connection whose head is through."""
    host, _, port = net.url.removeprefix("http://").removesuffix("/livekit").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_a_kill_resets_both_ends_and_a_refusal_is_a_refusal(lines):
    server, net = lines
    async with connected(net) as (reader, _):
        net.play(step(0, 0.2, kill=True, refused=True))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert await server.ends.get() == "reset"
    with pytest.raises(ConnectionRefusedError):
        async with connected(net):
            pass
    await asyncio.sleep(0.25)
    async with connected(net):
        net.play(step(refused=True))
        await asyncio.sleep(0)
        net.play()
    assert await server.ends.get() == "closed", "refusing others has left it alone"


async def test_a_stall_holds_bytes_and_closes_nothing(lines):
    server, net = lines
    async with connected(net) as (reader, writer):
        net.play(step(blocked=True, on="tcp down"))
        await asyncio.sleep(0)
        writer.write(b"held")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(100), 0.1)
        net.play()
        assert await reader.read(100) == b"held"
        writer.write_eof()
        assert await reader.read() == b"" and await server.ends.get() == "closed"


async def test_tcp_pieces_are_late_but_do_not_wait_for_each_other(lines):
    _, net = lines
    async with connected(net) as (reader, writer):
        net.play(step(delay_ms=100))
        began_s = time.monotonic()
        for _ in range(10):
            writer.write(b"x")
            await asyncio.sleep(0.01)
        arrivals_s = []
        for _ in range(10):
            await reader.readexactly(1)
            arrivals_s.append(time.monotonic() - began_s)
        assert arrivals_s[0] >= 0.2
        assert arrivals_s[-1] - arrivals_s[0] < 0.7, "one after the other they take a second"


class Mirror(asyncio.DatagramProtocol):
    """A UDP server that answers each packet with itself, and keeps whom it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.seen.append(address)
        self.transport.sendto(data, address)


async def test_udp_goes_through_one_socket_for_each_end(lines):
    _, net = lines
    loop = asyncio.get_running_loop()
    transport, mirror = await loop.create_datagram_endpoint(Mirror, local_addr=("127.0.0.1", 0))
    server = net.alias(transport.get_extra_info("sockname"))
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for client in clients:
        client.bind(("127.0.0.1", 0))
        client.setblocking(False)
    async with asyncio.timeout(5):
        for n in range(6):
            await loop.sock_sendto(clients[n % 2], bytes([n]), server)
            assert await loop.sock_recvfrom(clients[n % 2], 10) == (bytes([n]), server), "from whom it was sent to"
        assert len(set(mirror.seen)) == 2 and mirror.seen[:2] * 3 == mirror.seen
        assert not set(mirror.seen) & {client.getsockname() for client in clients}
        assert (net.counts("udp up").sent, net.counts("udp down").delivered) == (6, 6)
        net.play(step(delay_ms=5, jitter_ms=20, on="down"))
        for n in range(200):
            clients[0].sendto(n.to_bytes(2), server)
        assert [int.from_bytes(await loop.sock_recv(clients[0], 10)) for _ in range(200)] == list(range(200))
    for client in clients:
        client.close()
    transport.close()


# -- our link on every server


class FirstTransmissions:
    """RTP packets by path: which were sent for the first time, and which of those were lost."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.seen: dict[str, set[bytes]] = {"udp up": set(), "udp down": set()}
        self.lost = {"udp up": 0, "udp down": 0}

    def watch(self, path: str, data: bytes, due_s: float | None) -> None:
        is_rtp = data[0] >> 6 == 2 and not 192 <= data[1] < 224  # those are RTCP (RFC 5761)
        packet = data[2:4] + data[8:12]  # sequence and SSRC
        if is_rtp and packet not in self.seen[path]:
            self.seen[path].add(packet)
            self.lost[path] += due_s is None

    def share(self, path: str) -> float:
        return self.lost[path] / len(self.seen[path])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_a_link_behind_the_relay(name, tmp_path):
    first = FirstTransmissions()
    async with (
        running(name, tmp_path / "livekit.log") as server,
        relay(server.url, watch=first.watch) as net,
        talking(net.url, "box") as box,
        talking(server.url, "other") as other,
    ):
        talk = Conversation(net, box, other)
        await media_goes_through_the_relay_and_nowhere_else(talk)
        await delay_is_seen(talk)
        await loss_is_what_was_asked_for(talk, first)
        await the_signalling_is_killed_and_refused(net)
    await peers.closed()


async def exchanged_with_the_rust_sdk(net: Relay, room: rtc.Room, other: Talk) -> None:
    source = rtc.AudioSource(48_000, 1, queue_size_ms=100)
    await room.local_participant.publish_track(rtc.LocalAudioTrack.create_audio_track("microphone", source))

    async def speak(for_s: float) -> int:
        """How many packets of it are heard."""
        before = other.ear.packets
        for n in range(round(for_s / 0.01)):
            if n % 2:
                other.speak(n)
            await source.capture_frame(rtc.AudioFrame(b"\x10\x20" * 480, 48_000, 1, 480))
        return other.ear.packets - before

    async with asyncio.timeout(10):
        while await speak(0.2) < 8:
            pass
    net.play()
    assert await speak(1) > 20
    assert min(net.counts(path).sent for path in ("udp up", "udp down")) > 20
    net.play(step(blocked=True, on="udp"))
    await speak(0.2)
    assert await speak(0.6) == 0, "something passes the relay by"


@pytest.mark.slow
@pytest.mark.parametrize("name", [EMBEDDED, CURRENT])
async def test_a_foreign_client_behind_the_relay(name, tmp_path):
    """The Rust SDK, which trickles, and on a current server joins by `/rtc/v1` and one connection."""
    async with (
        running(name, tmp_path / "livekit.log") as server,
        relay(server.url) as net,
        talking(server.url, "other") as other,
    ):
        room = rtc.Room()
        await room.connect(net.url, mint(Grant("rust", "r"), KEY, now_s=time.time()))
        try:
            await exchanged_with_the_rust_sdk(net, room, other)
        finally:
            await room.disconnect()
    await peers.closed()


async def media_goes_through_the_relay_and_nowhere_else(talk: Conversation) -> None:
    async with asyncio.timeout(10):
        while min(talk.heard(await talk.go_on(0.2))) < 1:
            pass
    talk.net.play()
    assert talk.heard(await talk.go_on(0.5)) >= (0.9, 0.9)
    assert min(talk.net.counts(path).sent for path in ("udp up", "udp down")) >= 25
    for one, another in ((talk.box, talk.other), (talk.other, talk.box)):
        await one.room.send(b"hello")
        assert (await asyncio.wait_for(anext(another.room.data()), 5)).payload == b"hello"
    talk.net.play(step(blocked=True, on="udp"))
    assert talk.heard(await talk.go_on(0.6)) == (0, 0), "something passes the relay by"
    talk.net.play()
    await talk.go_on(0.4)
    assert min(talk.heard(await talk.go_on(0.4))) > 0.8


async def delay_is_seen(talk: Conversation) -> None:
    before = talk.late_ms(await talk.go_on(0.4))
    talk.net.play(step(delay_ms=100, on="udp"))
    numbers = await talk.go_on(0.8)
    await asyncio.sleep(0.2)
    up, down = (late - usual for late, usual in zip(talk.late_ms(numbers), before, strict=True))
    print(f"100 ms of delay: {up:.0f} ms up, {down:.0f} ms down")
    assert up > 95 and down > 95
    talk.net.play()


async def loss_is_what_was_asked_for(talk: Conversation, first: FirstTransmissions) -> None:
    await talk.go_on(0.3)
    first.clear()
    talk.net.play(step(loss=0.1, on="udp"))
    numbers = await talk.go_on(6)
    talk.net.play()
    await talk.go_on(0.3)
    up, down = first.share("udp up"), first.share("udp down")
    print(f"10 % of loss: first transmissions lost {up:.3f} up, {down:.3f} down; heard {talk.heard(numbers)}")
    assert 0.05 < up < 0.16 and 0.05 < down < 0.16


async def the_signalling_is_killed_and_refused(net: Relay) -> None:
    """By hand: what a link makes of it is told elsewhere."""
    url = f"{net.url}/rtc?protocol=15&access_token={mint(Grant('third', 'r'), KEY, now_s=time.time())}"
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(url) as socket:
            assert SignalResponse.FromString(await socket.receive_bytes(timeout=5)).HasField("join")
            net.play(step(0, 1, kill=True, refused=True))
            while (await socket.receive(timeout=2)).type is aiohttp.WSMsgType.BINARY:
                pass
            assert socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.ws_connect(url)
        await asyncio.sleep(1.1)
        async with http.ws_connect(url) as socket:
            assert SignalResponse.FromString(await socket.receive_bytes(timeout=5)).HasField("join")
