"""Lost signalling and blocked media on real servers: what listeners notice of it (rows 21, 23)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.core.audio import EncodedFrame
from service.room import link, peers
from service.room.tracks import PacketQueue
from tests.conformance import servers
from tests.conformance.servers import Server
from tests.fakes.rooms import Ear
from tests.net.relay import Relay, relay
from tests.net.script import step

pytestmark = pytest.mark.slow

FRAME_S = 0.02


@pytest.fixture(params=[servers.OLD, servers.CURRENT])
async def live(request) -> AsyncIterator[Server]:
    """A real server; the embedded room does not resume (livekit-signalling 6.2)."""
    yield Server(request.param, request.getfixturevalue("real_server")(request.param))
    await peers.closed()


class Call:
    """A box behind the relay and a translator beside the server, talking without a pause."""

    def __init__(self, net: Relay, box: link.RoomLink) -> None:
        self.net, self.box = net, box
        self.down, self.up = Ear(), Ear()
        self.microphone, self.voice = PacketQueue(), PacketQueue()
        self.said = 0

    async def talk(self, duration_s: float) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + duration_s
        while loop.time() < end_s:
            frame = EncodedFrame(self.said & 0xFFFF, self.said * 960, self.said.to_bytes(4, "big") * 10)
            self.microphone.push(frame)
            self.voice.push(frame)
            self.said += 1
            await asyncio.sleep(FRAME_S)

    def heard(self) -> tuple[set[bytes], set[bytes]]:
        return {frame.payload for frame in self.down.frames}, {frame.payload for frame in self.up.frames}


@asynccontextmanager
async def call(server: Server):
    async with (
        relay(server.url) as net,
        link.join(net.url, server.token("box"), sink_for=lambda track: one.down) as box,
    ):
        one = Call(net, box)
        await box.publish("microphone", one.microphone)
        await box.wait_connected()
        async with link.join(server.url, server.token("cloud"), sink_for=lambda track: one.up) as cloud:
            await cloud.publish("translation_es", one.voice)
            await cloud.wait_connected()
            losing = asyncio.ensure_future(box.pump())
            try:
                async with asyncio.timeout(10):
                    while not (one.down.frames and one.up.frames):
                        await one.talk(0.1)
                yield one
                assert not losing.done(), losing.exception()
            finally:
                losing.cancel()
                await asyncio.gather(losing, return_exceptions=True)


@pytest.mark.parametrize("refused_s", [0, 3])
async def test_row_21_signalling_that_is_reset_and_refused_costs_no_sound(live, refused_s):
    async with call(live) as one:
        before = [len(heard) for heard in one.heard()]
        said = one.said
        one.net.play(step(0.5, max(refused_s, 0.01), kill=True, refused=refused_s > 0))
        await one.talk(refused_s + 4)
        await asyncio.sleep(0.3)
        assert one.box.resumes == 1
        for heard, earlier in zip(one.heard(), before, strict=True):
            assert len(heard) - earlier >= one.said - said - 5  # some were on their way at either end; a gap is more
        await one.box.send(b"still here")


@pytest.mark.parametrize("blocked_s", [5, 19])
async def test_row_23_blocked_media_comes_back_in_the_same_room(live, blocked_s):
    async with call(live) as one:
        one.net.play(step(0, blocked_s, blocked=True, on="udp"))
        await one.talk(blocked_s + 3)  # 0.3 s would do; a busy machine has ten times as long
        before = [len(heard) for heard in one.heard()]
        said = one.said
        await one.talk(1)
        await asyncio.sleep(0.3)
        for heard, earlier in zip(one.heard(), before, strict=True):
            assert len(heard) - earlier >= 0.9 * (one.said - said)
        # Nothing waited: the microphone is heard live, not from a backlog.
        newest = max(int.from_bytes(frame.payload[:4], "big") for frame in one.up.frames[-20:])
        assert one.said - newest < 25
