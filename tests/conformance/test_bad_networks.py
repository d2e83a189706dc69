"""Lost signalling, blocked media, slow and lossy paths: what listeners notice of it (rows 21, 23 to 25, 29)."""

import asyncio
import os
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.core.audio import EncodedFrame
from service.core.errors import Cause
from service.core.phase import Phase
from service.room import link, peers, signalling, staying
from service.room.tracks import PacketQueue
from tests.conformance import servers
from tests.conformance.booth import booth
from tests.conformance.servers import Server
from tests.fakes.rooms import Ear
from tests.net.relay import Relay, relay
from tests.net.script import step

pytestmark = pytest.mark.slow

FRAME_S = 0.02
REAL = {
    "link.MEDIA_LOST_S": link.MEDIA_LOST_S,
    "link.SILENT_S": link.SILENT_S,
    "signalling.RESUME_S": signalling.RESUME_S,
    "staying.REJOIN_S": staying.REJOIN_S,
}


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


async def blocked(live: Server, duration_s: float) -> None:
    async with call(live) as one:
        one.net.play(step(0, duration_s, blocked=True, on="udp"))
        await one.talk(duration_s + 3)  # 0.3 s would do; a busy machine has ten times as long
        before = [len(heard) for heard in one.heard()]
        said = one.said
        await one.talk(1)
        await asyncio.sleep(0.3)
        for heard, earlier in zip(one.heard(), before, strict=True):
            assert len(heard) - earlier >= 0.9 * (one.said - said), duration_s
        # Nothing waited: the microphone is heard live, not from a backlog.
        newest = max(int.from_bytes(frame.payload[:4], "big") for frame in one.up.frames[-20:])
        assert one.said - newest < 25


async def test_row_23_blocked_media_comes_back_in_the_same_room(live):
    """Five calls at once, each in a room of its own; `call` says that none of them was lost."""
    async with asyncio.TaskGroup() as calls:
        for duration_s in (5, 8, 12, 19, 45):
            calls.create_task(blocked(Server(live.name, live.url), duration_s))


async def test_row_23_a_whole_booth_is_heard_again_after_twelve_seconds(server):
    """The embedded room does not resume: what lasts longer than its patience costs a new join."""
    async with relay(server.url) as net, booth(server, net.url) as one:
        net.play(step(0, 12, blocked=True, on="udp"))
        await asyncio.sleep(12)
        await one.both_heard(10)
        await one.until(Phase.LIVE, 5)
        assert one.sessions == 1


async def test_media_that_stay_blocked_make_the_sound_go_another_way(server):
    """`transport = "auto"`, with a second way in place of the WebSocket, which has nothing to do with this server."""
    async with relay(server.url) as net, booth(server, net.url, fallback_after_s=6) as one:
        assert one.status.transport == "webrtc"
        net.play(step(0, blocked=True, on="udp"))
        await one.until(Phase.WAITING)
        await one.until(Phase.LIVE)
        await one.both_heard()
        assert (one.sessions, one.status.transport, one.causes) == (2, "websocket", [Cause.MEDIA])


def used() -> tuple[int, int, int]:
    """Tasks, threads and file descriptors of this process."""
    return len(asyncio.all_tasks()), threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("scale", [7.5, 37.5, 450], ids=["1 min", "5 min", "60 min"])
async def test_row_24_a_network_that_is_gone_comes_back(server, monkeypatch, scale):
    """The link's patiences are shortened by the scale, to two seconds at the least, so that eight seconds are to them
    what the name says."""
    duration_s = 8
    for name in ("link.MEDIA_LOST_S", "link.SILENT_S", "signalling.RESUME_S", "staying.REJOIN_S"):
        monkeypatch.setattr(f"service.room.{name}", max(2.0, REAL[name] / scale))
    async with relay(server.url) as net, booth(server, net.url) as one:
        before = used()
        net.play(step(0, duration_s, blocked=True, refused=True))
        one.reachable = False
        await one.until(Phase.WAITING)
        await asyncio.sleep(duration_s - 4)
        one.reachable = True
        await one.until(Phase.LIVE, 35)
        await one.both_heard()
        await peers.closed()
        after = used()
        assert all(now <= then + 6 for now, then in zip(after, before, strict=True)), (before, after)
        assert len(one.outages) == 1 and one.causes[0] in (Cause.NETWORK, Cause.MEDIA, Cause.ROOM)


async def far_away(server: Server) -> None:
    async with relay(server.url) as net:
        net.play(step(delay_ms=350))
        async with booth(server, net.url) as one:
            await asyncio.sleep(20)
            await one.both_heard()
            assert (one.sessions, one.joins, one.outages) == (1, 1, [])


async def lossy(server: Server, loss: float, least: float) -> None:
    async with relay(server.url) as net, booth(server, net.url) as one:
        net.play(step(loss=loss, on="udp"))
        await asyncio.sleep(1)
        first = one.said
        await asyncio.sleep(20)
        last = one.said
        net.play()
        await asyncio.sleep(1)
        for ear in (one.line_out.ear, one.microphone):
            heard = {int.from_bytes(frame.payload[:4], "big") for frame in ear.frames} & set(range(first, last))
            assert len(heard) >= least * (last - first)
        assert one.status.phase is Phase.LIVE and one.sessions == 1
        assert loss > 0.1 or one.outages == []


async def test_row_25_neither_distance_nor_loss_is_a_reason_to_leave(server):
    """700 ms there and back, 10 % and 30 % of loss: three booths at once, for 20 s each."""
    async with asyncio.TaskGroup() as booths:
        booths.create_task(far_away(Server(server.name, server.url)))
        booths.create_task(lossy(Server(server.name, server.url), 0.10, 0.95))
        booths.create_task(lossy(Server(server.name, server.url), 0.30, 0.0))


async def test_row_29_a_server_that_was_killed_is_joined_again_and_one_that_drains_is_not_left(live, tmp_path):
    with servers.node(live.name, tmp_path / "node.log") as node:
        async with booth(Server(live.name, node.url)) as one:
            node.kill()
            await one.until(Phase.WAITING)
            await asyncio.sleep(3)
            again = subprocess.Popen(node.process.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                await one.both_heard()
                await one.until(Phase.LIVE)
                assert one.sessions == 1 and len(one.outages) == 1
                again.terminate()  # it drains: it waits until everybody has left
                await asyncio.sleep(3)
                await one.both_heard()
                assert one.status.phase is Phase.LIVE
                again.terminate()
                await one.until(Phase.WAITING)
            finally:
                again.kill()
                again.wait()
