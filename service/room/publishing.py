"""Our own tracks in a room: announced, offered, muted, taken back (livekit-signalling 3.2, 3.7)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from livekit.protocol.models import TrackInfo

from service.core.errors import LinkLost, ServiceError
from service.core.ports import EncodedSource
from service.room import signal_protocol as signal
from service.room.lifeline import Lifeline
from service.room.peers import OfferingPeer, Sending

log = logging.getLogger(__name__)

PUBLISH_TIMEOUT_S = 10.0
NEGOTIATE_TIMEOUT_S = 10.0


class Publication:
    """A track of ours."""

    def __init__(self, *, cid: str, name: str, sending: Sending) -> None:
        self.cid, self.name, self.sending = cid, name, sending
        self.accepted: asyncio.Future[TrackInfo] = asyncio.get_running_loop().create_future()


class Publishing:
    """One link's, over `peer`. `accepted` holds our tracks by cid, as the server knows them."""

    def __init__(
        self,
        *,
        peer: OfferingPeer,
        protocol: signal.SignalClient,
        send: Callable[[bytes], Awaitable[None]],
        lifeline: Lifeline,
    ) -> None:
        self._peer, self._protocol, self._send, self._lifeline = peer, protocol, send, lifeline
        self.accepted: dict[str, TrackInfo] = {}
        self.started = False  # something has been offered
        self._publications: dict[str, Publication] = {}
        self._answer: asyncio.Future[str] | None = None
        self._offered = b""  # what it answers

    @property
    def active(self) -> bool:
        """Whether there is a track of ours."""
        return bool(self._publications)

    async def publish(self, name: str, source: EncodedSource, *, stream_id: str) -> Publication:
        """Publish one audio track. Raises LinkLost when the server refuses or does not answer."""
        cid = f"{name}-{len(self._publications) + 1}-{time.monotonic_ns():x}"
        sending = self._peer.add_track(source, stream_id=stream_id, track_id=cid)
        publication = Publication(cid=cid, name=name, sending=sending)
        self._publications[cid] = publication
        await self._send(self._protocol.add_track(cid=cid, name=name))
        silent = LinkLost(f"the room did not accept the track {name}")
        try:
            await self._lifeline.within(publication.accepted, PUBLISH_TIMEOUT_S, silent)
        except ServiceError:
            del self._publications[cid]
            self._peer.remove_track(sending)
            raise
        await self.negotiate()
        return publication

    async def unpublish(self, publication: Publication) -> None:
        """Stop publishing it; the m-line is kept for the next one."""
        self._publications.pop(publication.cid, None)
        self.accepted.pop(publication.cid, None)
        self._peer.remove_track(publication.sending)
        await self.negotiate()

    async def negotiate(self, *, restart: bool = False) -> str:
        """One offer of ours and its answer, which is returned."""
        async with self._peer.negotiation:
            if not self.started:
                # After the transceiver: with MAX_BUNDLE the other order stops the shared transport (5.6).
                self._peer.add_channels()
                self.started = True
            self._answer = asyncio.get_running_loop().create_future()
            self._offered = self._protocol.offer(await self._peer.offer(restart=restart))
            await self._send(self._offered)
            silent = LinkLost("the room did not answer our offer")
            sdp = await self._lifeline.within(self._answer, NEGOTIATE_TIMEOUT_S, silent)
            try:
                await self._peer.accept(sdp)
            except Exception as problem:  # aiortc raises whatever its parser raises
                raise LinkLost(f"the room's answer cannot be used ({type(problem).__name__})") from problem
            return sdp

    def answered(self, sdp: str) -> None:
        """The server's answer to our latest offer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(sdp)

    def resumed(self) -> None:
        """The signalling has another socket: an answer that was still to come went down with the last one."""
        if self._answer is not None and not self._answer.done():
            self._lifeline.start(self._offer_again())

    async def _offer_again(self) -> None:
        await self._send(self._offered)

    def heard(self, event: signal.Published | signal.Refused) -> None:
        """What the server says to a track that we announced."""
        publication = self._publications.get(event.cid or "")
        if publication is None or publication.accepted.done():
            return
        if isinstance(event, signal.Published):
            self.accepted[event.cid] = event.track
            publication.accepted.set_result(event.track)
        else:
            text = f"the room refuses the track {publication.name} ({event.reason})"
            publication.accepted.set_exception(LinkLost(text))

    def mute(self, sid: str, muted: bool) -> None:
        """The server has muted the track of this SID, or unmuted it."""
        for cid, track in self.accepted.items():
            if track.sid == sid:
                log.warning("the room has %s our track", "muted" if muted else "unmuted")
                self._publications[cid].sending.mute(muted)
