"""Who is in the rooms of these tests: our client, with ears that know who said what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from livekit.protocol.models import ParticipantInfo

from service.core.audio import EncodedFrame
from service.room import link
from service.room.incoming import RemoteTrack
from service.room.publishing import Publication
from service.room.tracks import PacketQueue
from tests.conformance.servers import Server

ACTIVE = ParticipantInfo.ACTIVE
PATIENCE_S = 10.0
FRAME_S = 0.02
TEXT = b"\xfctext:"  # 0xfc: Opus, 20 ms, one frame; the rest is no sound, and no server looks at it


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never seen: {what}") from None


class Ears:
    """Hears every track; `heard` holds the texts of its packets, by the identity and the name of the track."""

    def __init__(self) -> None:
        self.heard: dict[tuple[str, str], set[str]] = {}

    def __call__(self, track: RemoteTrack) -> _Ear:
        return _Ear(self.heard.setdefault((track.participant_identity, track.name), set()))

    async def hears(self, identity: str, name: str, text: str) -> None:
        """Wait until this text has come on this track."""
        await until(lambda: text in self.heard.get((identity, name), ()), f"{text} of {identity} on {name}")


class _Ear:
    def __init__(self, texts: set[str]) -> None:
        self._texts = texts

    def push(self, frame: EncodedFrame) -> None:
        if frame.payload.startswith(TEXT):  # LiveKit ends a track with frames of silence, which start otherwise
            self._texts.add(frame.payload.removeprefix(TEXT).decode())


def joined(
    server: Server, identity: str, *, ears: Ears | None = None, url: str = "", **rights: bool
) -> AbstractAsyncContextManager[link.RoomLink]:
    """Our client in this test's room; `url` when it does not come to the server straight."""
    return link.join(url or server.url, server.token(identity, **rights), sink_for=ears or Ears())


async def all_active(*rooms: link.RoomLink) -> None:
    """Wait until each of them sees everybody ACTIVE: before, a server may lose data for those who are not (3.9).

    The real servers tell it at once of those who publish, and up to three seconds late of others.
    """

    def active() -> bool:
        tables = [room.participants for room in rooms]
        return all(len(table) >= len(rooms) and all(one.state == ACTIVE for one in table) for table in tables)

    await until(active, "everybody sees everybody active")


@asynccontextmanager
async def speaking(room: link.RoomLink, name: str, text: str) -> AsyncIterator[Publication]:
    """A track that says one text all the time, fifty packets a second; it is not unpublished at the end."""
    queue = PacketQueue()

    async def speak() -> None:
        n = 0
        while True:
            queue.push(EncodedFrame(n & 0xFFFF, n * 960 & 0xFFFFFFFF, TEXT + text.encode()))
            n += 1
            await asyncio.sleep(FRAME_S)

    task = asyncio.ensure_future(speak())
    try:
        yield await room.publish(name, queue)
    finally:
        task.cancel()


@asynccontextmanager
async def speaker(
    server: Server, identity: str, name: str, text: str, *, ears: Ears | None = None, url: str = ""
) -> AsyncIterator[link.RoomLink]:
    """Somebody in the room who says this text, connected."""
    async with joined(server, identity, ears=ears, url=url) as room, speaking(room, name, text):
        await room.wait_connected()
        yield room
