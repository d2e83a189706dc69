"""LiveKit's Rust SDK, in this process, or in one of its own that can be killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from livekit import rtc

from tests.foreign.people import PATIENCE_S, Seen
from tests.foreign.sound import RATE_HZ, Ear, Tone

PIECE = RATE_HZ // 100


class Rust:
    """Its options are the SDK's defaults."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self._tone, self._track = Tone(), None
        self._source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
        self._ears: dict[str, Ear] = {}
        self._data: list[tuple[str, bytes]] = []
        self._events: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: dict[str, asyncio.Task[None]] = {}  # by the track's SID
        self.room.on("track_subscribed", self._on_track)
        self.room.on("track_unsubscribed", lambda track, *_: self._listening.pop(track.sid).cancel())
        self.room.on("data_received", self._on_data)
        self.room.on("disconnected", self._on_disconnected)
        self.room.on("reconnecting", lambda: self._events.append("reconnecting"))
        self.room.on("reconnected", lambda: self._events.append("reconnected"))

    def _on_track(self, track: rtc.Track, _: rtc.TrackPublication, who: rtc.RemoteParticipant) -> None:
        listening = asyncio.ensure_future(self._listen(track, self._ears.setdefault(who.identity, Ear())))
        self._listening[track.sid] = listening
        self._tasks.append(listening)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        self._data.append((packet.participant.identity if packet.participant else "", packet.data))

    def _on_disconnected(self, reason: int) -> None:
        self._events.append(f"disconnected {rtc.DisconnectReason.Name(reason)}")

    async def _listen(self, track: rtc.Track, ear: Ear) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1)
        try:
            async for event in stream:
                ear.hear(np.frombuffer(event.frame.data, np.int16) / 32768)
        finally:
            await stream.aclose()

    async def _sing_on(self) -> None:
        while True:
            await self._source.capture_frame(rtc.AudioFrame(self._tone.take(PIECE), RATE_HZ, 1, PIECE))

    async def sing(self, hz: float) -> None:
        self._tone.hz = hz
        if self._track is None:
            self._track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            self._tasks.append(asyncio.ensure_future(self._sing_on()))
            await self.room.local_participant.publish_track(self._track, options)

    async def send(self, message: bytes, *, reliable: bool = True) -> None:
        await self.room.local_participant.publish_data(message, reliable=reliable)

    async def mute(self) -> None:
        self._track.mute()

    async def look(self) -> Seen:
        others = self.room.remote_participants
        return Seen(
            muted={who: any(one.muted for one in him.track_publications.values()) for who, him in others.items()},
            pitches_hz={who: ear.pitch_hz() for who, ear in self._ears.items()},
            data=self._data,
            events=self._events,
        )

    async def close(self) -> None:
        await self.room.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._source.aclose()


@asynccontextmanager
async def rust(url: str, token: str) -> AsyncIterator[Rust]:
    """A `Join`. Raises rtc.ConnectError."""
    client = Rust()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await client.room.connect(url, token)
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def killed(url: str, token: str) -> AsyncIterator[None]:
    """A singer in a process of its own, which is killed at the end."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.foreign.rust", url, token)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def _sing_until_killed(url: str, token: str) -> None:
    async with rust(url, token) as client:
        await client.sing(440)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_sing_until_killed(*sys.argv[1:]))
