"""The link against the embedded room: real sockets on loopback, no sleeping for time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from service.core.audio import EncodedFrame
from service.core.errors import LinkLost, TokenRefused
from service.room import link
from service.room.incoming import RemoteTrack
from service.room.tracks import PacketQueue
from tests.fakes.rooms import Ear, embedded


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


class Listener:
    """Hears every track, by name."""

    def __init__(self) -> None:
        self.ears: dict[str, Ear] = {}

    def __call__(self, track: RemoteTrack) -> Ear:
        return self.ears.setdefault(track.name, Ear())


def frame(n: int, text: str = "") -> EncodedFrame:
    return EncodedFrame(n & 0xFFFF, n * 960 & 0xFFFFFFFF, f"{text}{n}".encode())


async def test_several_tracks_arrive_under_their_names_with_gaps_and_timestamps_kept():
    hears = Listener()
    async with embedded() as rooms, link.join(rooms.url, "r/box", sink_for=hears) as box:
        microphone = PacketQueue()
        await box.publish("microphone", microphone)
        await box.wait_connected()
        async with link.join(rooms.url, "r/cloud", sink_for=(cloud_hears := Listener())) as cloud:
            sources = {name: PacketQueue() for name in ("translation_es", "translation_fr", "translation_de")}
            for name, source in sources.items():
                await cloud.publish(name, source)
            await cloud.wait_connected()
            await until(lambda: len(hears.ears) == 3 and len(cloud_hears.ears) == 1)
            first = 65530  # both counters wrap
            for n in range(first, first + 20):
                if n % 5:
                    microphone.push(frame(n, "m"))
                for name, source in sources.items():
                    source.push(frame(n, name))
                await asyncio.sleep(0.005)
            await until(lambda: all(len(ear.frames) == 20 for ear in hears.ears.values()))
            for name, ear in hears.ears.items():
                assert [f.payload for f in ear.frames] == [f"{name}{n}".encode() for n in range(first, first + 20)]
            heard = cloud_hears.ears["microphone"].frames
            await until(lambda: len(heard) == 16)
            steps = [after.sequence - before.sequence for before, after in zip(heard, heard[1:], strict=False)]
            assert [step % 65536 for step in steps] == [1, 1, 1, 2] * 3 + [1, 1, 1]
            assert [f.timestamp for f in heard] == [n * 960 for n in range(first, first + 20) if n % 5]


async def test_packets_of_ours_that_get_lost_are_asked_for_and_sent_again(monkeypatch):
    async with embedded() as rooms, link.join(rooms.url, "r/box", sink_for=Listener()) as box:
        microphone = PacketQueue()
        await box.publish("microphone", microphone)
        await box.wait_connected()
        async with link.join(rooms.url, "r/cloud", sink_for=(hears := Listener())) as cloud:
            await cloud.wait_connected()
            await until(lambda: hears.ears)
            (transceiver,) = box._publisher.pc.getTransceivers()
            wire, send = transceiver.sender.transport, transceiver.sender.transport._send_rtp
            sent: Counter[int] = Counter()  # how often each packet was, by its sequence number

            async def lossy(data: bytes) -> None:
                """Every fifth is lost, the first time."""
                sequence = int.from_bytes(data[2:4], "big")
                if not 200 <= data[1] <= 206:  # those are RTCP (RFC 5761)
                    sent[sequence] += 1
                    if sent[sequence] == 1 and len(sent) % 5 == 0:
                        return
                await send(data)

            monkeypatch.setattr(wire, "_send_rtp", lossy)
            for n in range(60):
                microphone.push(frame(n))
                await asyncio.sleep(0.005)
            heard = hears.ears["microphone"].frames
            await until(lambda: {f.payload for f in heard} >= {frame(n).payload for n in range(55)})
            assert all(times >= 2 for times in list(sent.values())[4:55:5])


async def test_an_m_line_is_used_again_and_the_new_track_is_heard():
    hears = Listener()
    async with embedded() as rooms, link.join(rooms.url, "r/box", sink_for=hears) as box:
        await box.publish("microphone", PacketQueue())
        await box.wait_connected()
        async with link.join(rooms.url, "r/cloud", sink_for=Listener()) as cloud:
            kept = PacketQueue()
            await cloud.publish("translation_kept", kept)
            for round_ in range(3):
                source = PacketQueue()
                publication = await cloud.publish(f"translation_{round_}", source)
                await cloud.wait_connected()
                await until(lambda name=f"translation_{round_}": name in hears.ears)
                for n in range(5):
                    source.push(frame(n, "t"))
                    kept.push(frame(round_ * 5 + n, "k"))
                await until(lambda name=f"translation_{round_}": len(hears.ears[name].frames) == 5)
                await cloud.unpublish(publication)
            await until(lambda: len(hears.ears["translation_kept"].frames) == 15)
            assert len(box._subscriber.pc.getTransceivers()) == 2  # bounded by the tracks at one time


async def test_data_goes_both_ways_and_not_back_to_its_sender():
    async with embedded() as rooms, link.join(rooms.url, "r/box", sink_for=Listener()) as box:
        await box.publish("microphone", PacketQueue())
        await box.wait_connected()
        async with link.join(rooms.url, "r/cloud", sink_for=Listener()) as cloud:
            await cloud.publish("translation_es", PacketQueue())
            await cloud.wait_connected()
            await box.send(b"set_task")
            await cloud.send(b"done", reliable=True)
            await cloud.send(b"level", reliable=False)
            heard = await anext(cloud.data())
            assert (heard.payload, heard.sender_identity) == (b"set_task", "box")
            box_hears = box.messages()
            assert {await anext(box_hears), await anext(box_hears)} == {b"done", b"level"}
            await cloud.send(b"x" * 60_000)
            assert len(await anext(box_hears)) == 60_000
            with pytest.raises(ValueError, match="over the limit"):
                await box.send(b"x" * 70_000)


async def test_data_can_be_sent_with_nothing_published_and_a_track_can_follow():
    async with embedded() as rooms, link.join(rooms.url, "r/cloud", sink_for=Listener()) as cloud:
        await cloud.wait_connected()
        async with link.join(rooms.url, "r/box", sink_for=(hears := Listener())) as box:
            await box.wait_connected()
            await cloud.send(b"hello")
            assert await anext(box.messages()) == b"hello"
            source = PacketQueue()
            await cloud.publish("translation_es", source)
            await until(lambda: "translation_es" in hears.ears)
            source.push(frame(1))
            await until(lambda: len(hears.ears["translation_es"].frames) == 1)


async def test_rights_are_what_the_server_says():
    async with embedded() as rooms:
        async with link.join(rooms.url, "r/listener/s", sink_for=Listener()) as listener:
            assert listener.rights() == {"subscribe"}
            with pytest.raises(LinkLost, match="refuses the track microphone .NOT_ALLOWED."):
                await listener.publish("microphone", PacketQueue())
        async with link.join(rooms.url, "r/box", sink_for=Listener()) as box:
            assert box.rights() == {"publish", "subscribe", "data"}


async def test_leaving_is_seen_at_once_and_frees_the_room():
    async with embedded() as rooms:
        async with link.join(rooms.url, "r/box", sink_for=Listener()) as box:
            await box.publish("microphone", PacketQueue())
            assert [one.identity for one in box.participants] == ["box"]
        await until(lambda: rooms.left == [("r", "box")])
        assert rooms.server.rooms == {}


async def test_a_second_holder_of_the_identity_puts_the_first_one_out():
    async with embedded() as rooms, link.join(rooms.url, "r/box", sink_for=Listener()) as first:
        async with link.join(rooms.url, "r/box", sink_for=Listener()):
            with pytest.raises(LinkLost, match="DUPLICATE_IDENTITY") as caught:
                await first.pump()
            assert caught.value.retry_after_s == 60  # no duel


async def test_a_room_that_ends_and_a_bad_token():
    async with embedded() as rooms:
        async with link.join(rooms.url, "r/box", sink_for=Listener()) as box:
            await rooms.server.end_room("r")
            with pytest.raises(LinkLost, match="ROOM_DELETED") as caught:
                await box.pump()
            assert caught.value.retry_after_s == 10
        with pytest.raises(TokenRefused):
            async with link.join(rooms.url, "nonsense", sink_for=Listener()):
                pass


@pytest.mark.parametrize("fault", ["old-server", "early-offer"])
async def test_tracks_that_were_there_before_are_heard_from_servers_of_every_kind(fault):
    async with embedded() as rooms, link.join(rooms.url, "r/cloud", sink_for=Listener()) as cloud:
        rooms.faults.add(fault)
        sources = [PacketQueue(), PacketQueue()]
        for n, source in enumerate(sources):
            await cloud.publish(f"translation_{n}", source)
        await cloud.wait_connected()
        async with link.join(rooms.url, "r/box", sink_for=(hears := Listener())) as box:
            await box.publish("microphone", PacketQueue())
            await box.wait_connected()
            n = 0
            async with asyncio.timeout(10):
                while not (len(hears.ears) == 2 and all(ear.frames for ear in hears.ears.values())):
                    for source in sources:
                        source.push(frame(n))
                    n += 1
                    await asyncio.sleep(0.01)
