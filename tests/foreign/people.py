"""What every client can do in these tests, whoever wrote it; and ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.core.audio import FRAME_SAMPLES, EncodedFrame
from service.room import link
from service.room.incoming import RemoteTrack
from service.room.tracks import PacketQueue
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.foreign.sound import RATE_HZ, Ear, Tone

PATIENCE_S = 20.0
NEAR_HZ = 8.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client knows now. `muted` has everybody else in the room, True when a track of theirs is muted;
    `events` are "disconnected REASON", "reconnecting" and "reconnected"."""

    muted: dict[str, bool]
    pitches_hz: dict[str, float]  # by identity
    data: list[tuple[str, bytes]]  # sender, payload
    events: list[str]


class Client(Protocol):
    """One participant."""

    async def sing(self, hz: float) -> None:
        """Change the pitch of the microphone, which is published the first time."""

    async def send(self, message: bytes, *, reliable: bool = True) -> None:
        """One data packet for everybody."""

    async def mute(self) -> None:
        """Mute the microphone."""

    async def look(self) -> Seen:
        """What it knows."""


Join = Callable[[str, str], AbstractAsyncContextManager[Client]]  # of a URL and a token; leaves at the end


async def sees(client: Client, good: Callable[[Seen], object], what: str) -> None:
    """Wait until this client has seen it."""
    seen = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not good(seen := await client.look()):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{type(client).__name__} never sees {what}, but {str(seen)[:500]}") from None


async def hears(client: Client, identity: str, hz: float) -> None:
    """Wait until this client hears that one at this pitch."""
    await sees(client, lambda seen: abs(seen.pitches_hz.get(identity, 0) - hz) < NEAR_HZ, f"{identity} at {hz} Hz")


class Ours:
    """The box's own client."""

    def __init__(self) -> None:
        self._ears: dict[str, Ear] = {}
        self._data: list[tuple[str, bytes]] = []
        self._tone = Tone()

    def sink_for(self, track: RemoteTrack) -> _Decoder:
        return _Decoder(self._ears.setdefault(track.participant_identity, Ear()))

    async def run(self, room: link.RoomLink) -> None:
        self._room = room
        async for message in room.data():
            self._data.append((message.sender_identity, message.payload))

    async def sing(self, hz: float) -> None:
        silent, self._tone.hz = not self._tone.hz, hz
        if silent:
            self._queue = PacketQueue()
            await self._room.publish("microphone", self._queue)

    async def sing_on(self) -> None:
        encoder, number, next_s = OpusEncoder(), 0, time.monotonic()
        while True:
            if self._tone.hz:
                payload = encoder.encode(self._tone.take(FRAME_SAMPLES))
                self._queue.push(EncodedFrame(number & 0xFFFF, number * FRAME_SAMPLES & 0xFFFFFFFF, payload))
                number += 1
            next_s += FRAME_SAMPLES / RATE_HZ
            await asyncio.sleep(next_s - time.monotonic())

    async def send(self, message: bytes, *, reliable: bool = True) -> None:
        await self._room.send(message, reliable=reliable)

    async def mute(self) -> None:
        raise NotImplementedError("the box never mutes; it sends silence")

    async def look(self) -> Seen:
        others = [one for one in self._room.participants if one.identity != self._room.identity]
        return Seen(
            muted={one.identity: any(track.muted for track in one.tracks) for one in others},
            pitches_hz={identity: ear.pitch_hz() for identity, ear in self._ears.items()},
            data=self._data,
            events=[] if self._room.alive else ["disconnected"],
        )


class _Decoder:
    def __init__(self, ear: Ear) -> None:
        self._ear, self._decoder = ear, OpusDecoder()

    def push(self, frame: EncodedFrame) -> None:
        self._ear.hear(np.frombuffer(self._decoder.decode(frame.payload), np.float32))


@asynccontextmanager
async def ours(url: str, token: str) -> AsyncIterator[Ours]:
    """A `Join`."""
    client = Ours()
    async with link.join(url, token, sink_for=client.sink_for) as room, asyncio.TaskGroup() as tasks:
        await room.wait_connected()
        running = [tasks.create_task(client.run(room)), tasks.create_task(client.sing_on())]
        yield client
        for task in running:
            task.cancel()
