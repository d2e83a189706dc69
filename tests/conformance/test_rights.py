"""Row 33: what a token does not allow is reported, and the rest works."""

from __future__ import annotations

import asyncio

from service.room import link
from tests.conformance.people import Ears, joined, speaker, speaking


async def test_row_33_no_right_to_publish(server):
    ears = Ears()
    async with (
        joined(server, "box", ears=ears, can_publish=False) as box,
        speaker(server, "cloud", "es", "hola") as cloud,
    ):
        assert box.rights() == {"subscribe", "data"}
        await box.wait_connected()
        await ears.hears("cloud", "es", "hola")
        await box.send(b"hello")
        async with asyncio.timeout(10):
            assert await anext(cloud.messages()) == b"hello"


async def test_row_33_no_right_to_subscribe(server, monkeypatch):
    monkeypatch.setattr(link, "CONNECT_TIMEOUT_S", 1.5)
    box_hears, cloud_hears = Ears(), Ears()
    async with (
        speaker(server, "cloud", "es", "hola", ears=cloud_hears) as cloud,
        joined(server, "box", ears=box_hears, can_subscribe=False) as box,
        speaking(box, "microphone", "hello"),
    ):
        assert box.rights() == {"publish", "data"}
        await box.wait_connected()
        await cloud_hears.hears("box", "microphone", "hello")
        await box.send(b"hello")
        async with asyncio.timeout(10):
            assert await anext(cloud.messages()) == b"hello"
        assert not box_hears.heard


async def test_row_33_no_right_to_send_data(server):
    ears = Ears()
    async with (
        speaker(server, "cloud", "es", "hola", ears=ears) as cloud,
        joined(server, "box", can_publish_data=False) as box,
        speaking(box, "microphone", "hello"),
    ):
        assert box.rights() == {"publish", "subscribe"}
        await ears.hears("box", "microphone", "hello")
        pump, heard = asyncio.ensure_future(box.pump()), asyncio.ensure_future(anext(box.messages()))
        try:
            async with asyncio.timeout(10):
                while not (pump.done() or heard.done()):
                    await cloud.send(b"heard all the same")  # again: the first may be lost before the box is active
                    await asyncio.wait({pump, heard}, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
            assert not pump.done(), "the link has ended"
            assert heard.result() == b"heard all the same"
        finally:
            pump.cancel()
            heard.cancel()
            await asyncio.gather(pump, heard, return_exceptions=True)
