"""Three targets in one session, added and removed ten times, on the sandbox's own room and on real servers."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from service.cloud.session_client import SessionClient
from service.core import messages
from service.core.audio import EncodedFrame
from service.core.languages import LanguagePair
from service.core.session import ClientPair, SessionRequest
from service.core.translation import TranslationTask
from service.demo.desk import bundled_recording
from service.room import peers
from service.room.link import SPARE_M_LINES
from service.room.rooms import Rooms
from service.room.staying import Stay
from service.room.tracks import PacketQueue
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.cluster.test_livekit import LIVEKIT
from tests.conformance import servers
from tests.fakes import listening
from tests.fakes.processes import Sandbox, credentials, sandbox

pytestmark = pytest.mark.slow

ALL = ("es", "fr", "de")
ROUNDS = 10
SOON_S = 1.0
VOICE_RMS = 0.01


class Track:
    """One language: when packets came, and whether there was a voice in them."""

    def __init__(self) -> None:
        self.last_s, self.voice = 0.0, False
        self._decoder = OpusDecoder()

    def push(self, frame: EncodedFrame) -> None:
        self.last_s = asyncio.get_running_loop().time()
        samples = np.frombuffer(self._decoder.decode(frame.payload), np.float32)
        self.voice |= len(samples) > 0 and float(np.sqrt(np.mean(samples**2))) > VOICE_RMS


class Session:
    """One session with its room; the bundled recording is spoken over and over."""

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        self.line_in, self.task = PacketQueue(), TranslationTask()
        self.clock = asyncio.get_running_loop().time

    def sink(self, language: str) -> Track:
        return self.tracks.setdefault(language, Track())

    async def speak(self) -> None:
        sound = listening.load(Path(bundled_recording().removeprefix("wav:")))
        wide = np.interp(np.arange(len(sound) * 3) / 3, np.arange(len(sound)), sound)
        pcm, encoder, begin_s, n = (wide * 32767).astype("<i2"), OpusEncoder(), self.clock(), 0
        while True:
            at = n * 960 % (len(pcm) - 960)
            packet = encoder.encode(pcm[at : at + 960].tobytes())
            self.line_in.push(EncodedFrame(n & 0xFFFF, n * 960 & 0xFFFFFFFF, packet))
            n += 1
            await asyncio.sleep(begin_s + n * 0.02 - self.clock())

    async def hear(self, link: Stay) -> None:
        async for payload in link.messages():
            self.task.receive(messages.decode(payload), self.clock())

    async def say(self, link: Stay) -> None:
        while True:
            message = self.task.due(self.clock()) if self.task.wanted is not None else None
            if message is not None:
                await link.send(message)
            await asyncio.sleep(0.02)

    async def confirmed(self, targets: tuple[str, ...]) -> None:
        """Ask for these, and wait until the cloud says that it speaks them."""
        pair = LanguagePair(",".join(targets), "en", targets)
        self.task.want(pair, self.clock())
        async with asyncio.timeout(20):
            while self.task.confirmed != pair:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def at_work(cloud: Sandbox) -> AsyncIterator[tuple[Session, Stay]]:
    keys = credentials(cloud)
    pair = ClientPair(keys["PALABRA_CLIENT_ID"], keys["PALABRA_CLIENT_SECRET"])
    one = Session()
    opened = SessionClient(base_url=cloud.url, credentials=pair, request=SessionRequest()).open()
    async with opened as session, Rooms().join(session, one.line_in, one.sink) as link:
        await link.present("palabra_translator")
        tasks = [asyncio.create_task(work) for work in (link.pump(), one.speak(), one.hear(link), one.say(link))]
        try:
            yield one, link
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    await peers.closed()


@pytest.mark.parametrize("version", [servers.EMBEDDED, servers.OLD])
async def test_targets_come_and_go_ten_times_and_each_is_heard(version, tmp_path):
    real = nullcontext() if version == servers.EMBEDDED else servers.real(version, tmp_path / "livekit.log")
    with real as url:
        options, environ = ((), {}) if url is None else (("--livekit", url), LIVEKIT)
        with sandbox(tmp_path, *options, **environ) as cloud:
            async with at_work(cloud) as (one, link):
                await one.confirmed(ALL)
                await asyncio.sleep(8)  # a phrase of the recording, in each
                assert all(one.tracks[language].voice for language in ALL)
                threads = threading.active_count()
                for n in range(ROUNDS):
                    few = (ALL[n % 3],)
                    await one.confirmed(few)
                    await one.confirmed(ALL)
                    confirmed_s = one.clock()
                    await asyncio.sleep(SOON_S)
                    silent = [language for language in ALL if one.tracks[language].last_s < confirmed_s]
                    assert not silent, f"round {n}: nothing on {silent}"
                for track in one.tracks.values():
                    track.voice = False
                await asyncio.sleep(10)
                assert all(one.tracks[language].voice for language in ALL)
                subscriber = link._link._subscriber.pc
                lines = [each for each in subscriber.getTransceivers() if each.kind == "audio"]
                print(f"{version}: {len(lines)} m-lines, {threading.active_count() - threads} more threads")
                # Real servers add m-lines, up to where the room is joined anew; our own uses them again.
                most = len(ALL) if version == servers.EMBEDDED else len(ALL) + 2 * ROUNDS
                assert len(lines) <= most < SPARE_M_LINES and threading.active_count() <= threads
