"""Two who talk with each other in numbered packets, so that it can be counted what was heard."""

import asyncio
import statistics
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.core.audio import EncodedFrame
from service.room import link
from service.room.tracks import PacketQueue
from service.sandbox.tokens import Grant, mint
from tests.conformance.servers import KEY
from tests.net.relay import Relay


class Ear:
    """A sink that keeps the number and the time of what it hears."""

    def __init__(self) -> None:
        self.packets = 0
        self.heard: dict[int, float] = {}

    def push(self, frame: EncodedFrame) -> None:
        self.packets += 1
        if len(frame.payload) != 45:
            return  # not one of ours
        self.heard.setdefault(struct.unpack_from(">I", frame.payload, 1)[0], time.monotonic())


class Talk:
    """One participant: it publishes numbered packets and hears the other's."""

    def __init__(self, room: link.RoomLink, ear: Ear) -> None:
        self.room, self.ear = room, ear
        self.microphone = PacketQueue()
        self.sent: dict[int, float] = {}

    def speak(self, number: int) -> None:
        self.sent[number] = time.monotonic()
        payload = b"\xfc" + struct.pack(">I", number) + bytes(40)
        self.microphone.push(EncodedFrame(number, number * 960, payload))


@asynccontextmanager
async def talking(url: str, identity: str) -> AsyncIterator[Talk]:
    ear = Ear()
    token = mint(Grant(identity, "r"), KEY, now_s=time.time())
    async with link.join(url, token, sink_for=lambda track: ear) as room:
        talk = Talk(room, ear)
        await room.publish("microphone", talk.microphone)
        await room.wait_connected()
        yield talk


class Conversation:
    """A box behind the relay and somebody beside it who is not."""

    def __init__(self, net: Relay, box: Talk, other: Talk) -> None:
        self.net, self.box, self.other = net, box, other
        self._next = 0

    async def go_on(self, for_s: float) -> range:
        """Both speak, a packet each 20 ms; the numbers they used."""
        first = self._next
        for self._next in range(first, first + round(for_s / 0.02)):
            self.box.speak(self._next)
            self.other.speak(self._next)
            await asyncio.sleep(0.02)
        self._next += 1
        return range(first, self._next)

    def heard(self, numbers: range) -> tuple[float, float]:
        """The shares that the other one and the box heard."""
        return tuple(len(ear.heard.keys() & set(numbers)) / len(numbers) for ear in (self.other.ear, self.box.ear))

    def late_ms(self, numbers: range) -> tuple[float, float]:
        """The median time from microphone to ear, up and down."""
        pairs = (self.box.sent, self.other.ear.heard), (self.other.sent, self.box.ear.heard)
        return tuple(
            statistics.median((heard[n] - sent[n]) * 1000 for n in numbers if n in heard) for sent, heard in pairs
        )
