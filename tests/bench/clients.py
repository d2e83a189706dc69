"""Two clients that do the box's job: ours, and LiveKit's Rust SDK. And the far side, which is the same for both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import numpy as np
from livekit import rtc

from service.core.audio import EncodedFrame
from service.dsp.playout import Playout
from service.room import link
from service.room.incoming import RemoteTrack
from service.room.staying import staying
from service.room.tracks import PacketQueue
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.bench.sound import FRAME_S, FRAME_SAMPLES, RATE_HZ, Trace, spoken

Token = Callable[[str], str]
RUST_QUEUE_MS = 1000  # its default


class Voice:
    """One microphone, fifty packets a second by the clock."""

    def __init__(self) -> None:
        self.queue, self._encoder = PacketQueue(), OpusEncoder()

    async def speak(self) -> None:
        begin_s, n = time.monotonic(), 0
        while True:
            packet = self._encoder.encode(spoken(time.monotonic()))
            self.queue.push(EncodedFrame(n & 0xFFFF, n * FRAME_SAMPLES & 0xFFFFFFFF, packet))
            n += 1
            await asyncio.sleep(begin_s + n * FRAME_S - time.monotonic())


class Arrivals:
    """A sink that decodes each packet as it comes, late or not."""

    def __init__(self) -> None:
        self.trace, self._decoder = Trace(), OpusDecoder()

    def push(self, frame: EncodedFrame) -> None:
        samples = np.frombuffer(self._decoder.decode(frame.payload), np.float32)
        if len(samples) >= FRAME_SAMPLES:
            self.trace.hear(samples[:FRAME_SAMPLES], time.monotonic())


class Speaker:
    """A sink that is played as the box plays it."""

    def __init__(self) -> None:
        self.trace, self.playout = Trace(), Playout(decoder=OpusDecoder(), min_target_s=0.040, pull_s=FRAME_S)

    def push(self, frame: EncodedFrame) -> None:
        self.playout.put(time.monotonic(), frame)

    async def play(self) -> None:
        begin_s, n = time.monotonic(), 0
        while True:
            now_s = time.monotonic()
            self.trace.hear(self.playout.pull(now_s, FRAME_SAMPLES), now_s)
            n += 1
            await asyncio.sleep(begin_s + n * FRAME_S - time.monotonic())


@asynccontextmanager
async def _working(*work: object) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(one) for one in work]  # type: ignore[call-overload]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Far:
    """The translator: it speaks on `tracks` tracks and hears whoever is in the room."""

    def __init__(self) -> None:
        self.heard: dict[str, Arrivals] = {}

    def sink(self, track: RemoteTrack) -> Arrivals:
        return self.heard.setdefault(track.participant_identity, Arrivals())

    def of(self, identity: str) -> Trace:
        """What was heard of one participant."""
        return self.heard.setdefault(identity, Arrivals()).trace


@asynccontextmanager
async def far_side(url: str, token: Token, *, tracks: int = 1) -> AsyncIterator[Far]:
    """In the room until the end, whatever becomes of it."""
    far, voices = Far(), [Voice() for _ in range(tracks)]

    @asynccontextmanager
    async def enter(_: str | None) -> AsyncIterator[link.RoomLink]:
        async with link.join(url, token("far"), sink_for=far.sink) as room:
            for n, voice in enumerate(voices):
                await room.publish(f"translation_{n}", voice.queue)
            await room.wait_connected()
            yield room

    async with _working(*(voice.speak() for voice in voices)), staying(enter) as stay, _working(stay.pump()):
        yield far


class Ours:
    """Our link, rejoining by itself as in the box."""

    name = "ours"

    def __init__(self) -> None:
        self.speakers: list[Speaker] = []
        self._by_name: dict[str, Speaker] = {}

    @property
    def traces(self) -> list[Trace]:
        return [speaker.trace for speaker in self.speakers]

    async def heard(self) -> float:
        """What was not made up; a packet's copy of the one before counts, as with NetEQ."""
        stats = self.speakers[0].playout.stats
        return 1.0 - stats.concealed / max(1, stats.played + stats.concealed + stats.fec)

    def settle(self) -> None:
        """Forget the jitter so far: ten joins at once, in one process, hold each other up for half a second."""
        for speaker in self.speakers:
            speaker.playout.reset()

    async def mark(self) -> None:
        """Count from here."""
        stats = self.speakers[0].playout.stats
        stats.played = stats.concealed = stats.fec = 0

    async def run(self, url: str, token: Token, stack: AsyncExitStack) -> None:
        voice = Voice()

        def sink(track: RemoteTrack) -> Speaker:
            if track.name not in self._by_name:
                self._by_name[track.name] = Speaker()
                self.speakers.append(self._by_name[track.name])
                self._playing.append(asyncio.ensure_future(self.speakers[-1].play()))
            return self._by_name[track.name]

        self._playing: list[asyncio.Task[None]] = []

        @asynccontextmanager
        async def enter(_: str | None) -> AsyncIterator[link.RoomLink]:
            async with link.join(url, token(self.name), sink_for=sink) as room:
                await room.publish("microphone", voice.queue)
                await room.wait_connected()
                yield room

        stack.callback(lambda: [task.cancel() for task in self._playing])
        await stack.enter_async_context(_working(voice.speak()))
        stay = await stack.enter_async_context(staying(enter))
        await stack.enter_async_context(_working(stay.pump()))


class Rust:
    """LiveKit's Rust SDK, as its Python package has it by default."""

    name = "rust"

    def __init__(self) -> None:
        self._by_name: dict[str, Trace] = {}  # a track that comes anew after a rejoin is the same one to its listener
        self._tracks: list[rtc.RemoteAudioTrack] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._before = (0.0, 0.0)

    @property
    def traces(self) -> list[Trace]:
        return list(self._by_name.values())

    async def _concealed(self) -> tuple[float, float]:
        for stat in await self._tracks[-1].get_stats():
            if stat.HasField("inbound_rtp"):
                inbound = stat.inbound_rtp.inbound
                return float(inbound.concealed_samples), float(inbound.total_samples_received)
        return 0.0, 0.0

    def settle(self) -> None:
        """NetEQ settles by itself."""

    async def mark(self) -> None:
        """Count from here."""
        self._before = await self._concealed()

    async def heard(self) -> float:
        """What NetEQ did not make up."""
        concealed, total = await self._concealed()
        return 1.0 - (concealed - self._before[0]) / max(1.0, total - self._before[1])

    async def _listen(self, track: rtc.RemoteAudioTrack, trace: Trace) -> None:
        self._tracks.append(track)
        async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=20):
            samples = np.frombuffer(event.frame.data, np.int16).astype(np.float32) / 32768
            trace.hear(samples, time.monotonic())

    async def _speak(self, source: rtc.AudioSource) -> None:
        begin_s, n = time.monotonic(), 0
        while True:
            await source.capture_frame(rtc.AudioFrame(spoken(time.monotonic()), RATE_HZ, 1, FRAME_SAMPLES))
            n += 1
            await asyncio.sleep(max(0.0, begin_s + n * FRAME_S - time.monotonic()))

    async def run(self, url: str, token: Token, stack: AsyncExitStack) -> None:
        room = rtc.Room()

        @room.on("track_subscribed")
        def subscribed(track: rtc.Track, publication: rtc.RemoteTrackPublication, _: object) -> None:
            trace = self._by_name.setdefault(publication.name, Trace())
            self._tasks.append(asyncio.ensure_future(self._listen(track, trace)))  # type: ignore[arg-type]

        await room.connect(url, token(self.name))
        stack.push_async_callback(room.disconnect)
        stack.callback(lambda: [task.cancel() for task in self._tasks])
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=RUST_QUEUE_MS)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
        await room.local_participant.publish_track(track, options)
        self._tasks.append(asyncio.ensure_future(self._speak(source)))


Client = Ours | Rust
