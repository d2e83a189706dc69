"""Joins the box's rooms; promises `core.ports.Rooms`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from service.core.errors import Cause, LinkLost, PermissionMissing
from service.core.languages import language_of_track
from service.core.ports import EncodedSink, EncodedSource
from service.core.session import Session
from service.room import link
from service.room.incoming import RemoteTrack, SinkFor
from service.room.staying import Stay, staying

NEEDED = frozenset({"publish", "subscribe", "data"})


class Rooms:
    """One microphone out, every translated track in."""

    def __init__(self) -> None:
        self._link: link.RoomLink | None = None
        self._sent_before = 0

    @property
    def packets_sent(self) -> int:
        """Packets of line-in sent since the start, in all rooms."""
        return self._sent_before + (self._link.packets_sent if self._link is not None else 0)

    def moved(self, addresses: frozenset[str]) -> None:
        """These are the host's addresses now: a link whose media goes by another one is replaced."""
        if self._link is not None and not self._link.addresses <= addresses:
            self._link.lose(LinkLost("the address that the room's media went by is gone", cause=Cause.ADDRESS))

    def lose(self, error: LinkLost) -> None:
        """Give up the link there is, for a reason that shows elsewhere: the room is joined anew."""
        if self._link is not None:
            self._link.lose(error)

    def join(
        self, session: Session, line_in: EncodedSource, sink_for: Callable[[str], EncodedSink | None]
    ) -> AbstractAsyncContextManager[Stay]:
        """See `core.ports.Rooms`."""

        def sink(track: RemoteTrack) -> EncodedSink | None:
            # By name, never by participant (palabra-api 2.5).
            language = language_of_track(track.name)
            return None if language is None else sink_for(language)

        return staying(lambda token: self._enter(session.webrtc_url, token or session.publisher, line_in, sink))

    @asynccontextmanager
    async def _enter(
        self,
        url: str,
        token: str,
        line_in: EncodedSource,
        sink_for: SinkFor,
    ) -> AsyncIterator[link.RoomLink]:
        async with link.join(url, token, sink_for=sink_for) as room:
            missing = NEEDED - room.rights()
            if missing:
                raise PermissionMissing(missing)
            self._link = room
            try:
                await room.publish("microphone", line_in)
                await room.wait_connected()
                yield room
            finally:
                self._sent_before, self._link = self.packets_sent, None
