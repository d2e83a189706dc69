"""Rows 16 to 18: data packets."""

from __future__ import annotations

import asyncio
import base64

import pytest
from livekit.protocol.models import DataPacket, UserPacket

from service.room import link
from service.room.data_packets import DataMessage, DataReceiver
from tests.conformance.people import all_active, speaker
from tests.conformance.servers import CURRENT, OLD


async def _next(room: link.RoomLink) -> DataMessage:
    async with asyncio.timeout(10):
        return await anext(room.data())


async def test_row_16_data_goes_both_ways_on_both_channels_with_its_sender(server):
    async with speaker(server, "box", "microphone", "hello") as box, speaker(server, "cloud", "es", "hola") as cloud:
        await all_active(box, cloud)
        for sender, hearer in ((box, cloud), (cloud, box)):
            # Lossy last: a channel that is not open yet at the server loses it, and may.
            for message, reliable in (
                (b"short", True),
                (b"x" * 15_000, True),
                (b"y" * 60_000, True),
                (b"lossy", False),
            ):
                await sender.send(message, reliable=reliable)
                heard = await _next(hearer)
                assert (heard.payload, heard.sender_identity) == (message, sender.identity)
                assert heard.sender_sid.startswith("PA_")


async def test_row_16_a_message_for_one_is_heard_by_that_one(server):
    async with (
        speaker(server, "box", "microphone", "hello") as box,
        speaker(server, "cloud", "es", "hola") as cloud,
        speaker(server, "guest", "fr", "salut") as guest,
    ):
        await all_active(box, cloud, guest)
        await box.send(b"for the cloud", to="cloud")
        await box.send(b"for all")
        assert [(await _next(cloud)).payload for _ in range(2)] == [b"for the cloud", b"for all"]
        assert (await _next(guest)).payload == b"for all"


async def test_row_16_a_message_that_is_too_large_is_an_error_here_and_no_more(server):
    async with speaker(server, "box", "microphone", "hello") as box, speaker(server, "cloud", "es", "hola") as cloud:
        await all_active(box, cloud)
        with pytest.raises(ValueError, match="over the limit"):
            await box.send(b"x" * 70_000)
        await box.send(b"still here")
        assert (await _next(cloud)).payload == b"still here"


@pytest.mark.parametrize("server", [OLD, CURRENT], indirect=True)
@pytest.mark.slow
async def test_row_16_the_server_api_sends_with_a_topic_and_no_sender(server):
    async with speaker(server, "box", "microphone", "hello") as box, speaker(server, "cloud", "es", "hola") as cloud:
        await all_active(box, cloud)
        await server.api("SendData", data=base64.b64encode(b"hello").decode(), kind="RELIABLE", topic="greeting")
        assert await _next(cloud) == DataMessage(b"hello", "", "", "greeting")


async def test_row_17_numbers_start_at_one_and_again_with_a_new_sid(server, monkeypatch):
    numbers: list[tuple[str, int]] = []
    unwrap = DataReceiver.unwrap

    def noting(self: DataReceiver, data: bytes) -> DataMessage | None:
        packet = DataPacket.FromString(data)
        numbers.append((packet.user.participant_sid, packet.sequence))  # 1.8.4 has it here only
        return unwrap(self, data)

    monkeypatch.setattr(DataReceiver, "unwrap", noting)
    async with speaker(server, "box", "microphone", "hello") as box:
        for round_ in range(2):
            async with speaker(server, "cloud", "es", "hola") as cloud:
                await all_active(box, cloud)
                for n in range(3):
                    await cloud.send(f"{round_} {n}".encode())
                assert [(await _next(box)).payload for _ in range(3)] == [f"{round_} {n}".encode() for n in range(3)]
    sids = list(dict.fromkeys(sid for sid, _ in numbers))
    assert numbers == [(sid, n) for sid in sids for n in (1, 2, 3)] and len(sids) == 2


def test_row_17_what_came_before_is_dropped_and_zero_is_no_number():
    receiver = DataReceiver()
    heard = [
        receiver.unwrap(DataPacket(participant_sid=sid, sequence=n, user=UserPacket(payload=b"x")).SerializeToString())
        for sid, n in (("PA_a", 1), ("PA_a", 2), ("PA_a", 2), ("PA_a", 1), ("PA_b", 1), ("PA_a", 0), ("PA_a", 0))
    ]
    assert [message is not None for message in heard] == [True, True, False, False, True, True, True]


async def test_row_18_data_of_a_sender_that_is_not_known_yet_is_heard(server, wire):
    async with speaker(server, "box", "microphone", "hello", url=wire.url) as box:
        await all_active(box)
        wire.down = lambda message: [] if message.WhichOneof("message") == "update" else [message]
        async with speaker(server, "cloud", "es", "hola") as cloud:
            await cloud.send(b"hello")
            heard = await _next(box)
            assert (heard.payload, heard.sender_identity) == (b"hello", "cloud")
            assert [info.identity for info in box.participants] == ["box"]
