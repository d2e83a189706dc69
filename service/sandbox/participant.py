"""One client of the embedded room: its signalling, its two connections, what it publishes and hears."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Protocol

import aiohttp
from aiohttp import web
from livekit.protocol.models import ParticipantInfo, ParticipantPermission, TrackInfo, TrackType
from livekit.protocol.rtc import SignalTarget

from service.core.audio import EncodedFrame
from service.room import signal_protocol as signal
from service.room.peers import AnsweringPeer, OfferingPeer
from service.sandbox.downlink import Downlink, ForwardedTrack
from service.sandbox.outbox import Outbox
from service.sandbox.tokens import Grant

log = logging.getLogger(__name__)

MAX_TRACKS = 32
MAX_SECTIONS = 64  # m-lines of an offer; the Rust SDK's first one has eight
MAX_CANDIDATES = 64
MAX_REQUESTS_PER_S = 200  # a client of many interfaces sends fifty at once when it joins


class Neighbours(Protocol):
    """The room, as one participant sees it."""

    def others(self, one: Participant) -> list[Participant]:
        """Everybody else."""

    def tracks(self) -> list[ForwardedTrack]:
        """Every published track."""

    def changed(self, one: Participant) -> None:
        """Tell everybody that this participant has changed, itself included."""

    def relay(self, sender: Participant, label: str, data: bytes) -> None:
        """Pass a data packet on."""


class Participant:
    """Made when a client joins; `serve` reads its socket, `close` frees everything. Nothing here waits for a client
    but its own tasks."""

    def __init__(
        self,
        *,
        grant: Grant,
        room: Neighbours,
        socket: web.WebSocketResponse,
        outbox: Outbox,
        fault: Callable[[str], bool],
    ) -> None:
        self.grant, self.outbox = grant, outbox
        self._room, self._socket, self._fault = room, socket, fault
        self.signal = signal.SignalServer()
        self.info = ParticipantInfo(
            sid=f"PA_{secrets.token_hex(6)}",
            identity=grant.identity,
            name=grant.identity,
            state=ParticipantInfo.JOINED,
            joined_at=int(time.time()),
            permission=ParticipantPermission(
                can_publish=grant.can_publish,
                can_subscribe=grant.can_subscribe,
                can_publish_data=grant.can_publish_data,
            ),
            version=1,
        )
        self.incoming = AnsweringPeer(
            ice_servers=[], changed=self._peer_changed, on_packet=self._on_packet, on_data=self._on_data
        )
        self.outgoing = OfferingPeer(ice_servers=[], changed=self._peer_changed)
        self._downlink = Downlink(
            sid=self.info.sid,
            peer=self.outgoing,
            send=lambda sdp, mid_to_track_id: outbox.put(self.signal.offer(sdp, mid_to_track_id)),
            fault=fault,
        )
        self._announced: dict[str, TrackInfo] = {}  # cid -> what it will be
        self.tracks: dict[str, ForwardedTrack] = {}  # by cid
        self._by_mid: dict[str, ForwardedTrack] = {}
        self._candidates = 0
        self._second, self._requests = 0, 0
        self._negotiating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to offer what there is to hear; the join has been sent."""
        self._negotiating = asyncio.ensure_future(self._negotiate())

    # -- towards the client -------------------------------------------------------------------------------------

    def end(self, reason: str, action: str = "DISCONNECT") -> None:
        """Ask the client to leave, and close its signalling; its reader then ends."""
        self.outbox.put(self.signal.leave(reason, action))
        self.outbox.close()

    def hear(self, track: ForwardedTrack) -> None:
        """Subscribe this participant to a track, once it is connected."""
        if self.info.state == ParticipantInfo.ACTIVE and self.grant.can_subscribe:
            self._downlink.hear(track)

    def unhear(self, track: ForwardedTrack) -> None:
        """The track is gone."""
        self._downlink.unhear(track)

    async def _negotiate(self) -> None:
        try:
            await self._downlink.open()
            self.info.state = ParticipantInfo.ACTIVE
            self._room.changed(self)
            for track in self._room.tracks():
                if track.publisher_sid != self.info.sid:
                    self.hear(track)
            await self._downlink.run()
        except Exception as problem:  # aiortc raises whatever its parser raises
            log.info("%s cannot be offered anything: %r", self.info.identity, problem)
            self.end("STATE_MISMATCH", "RECONNECT")

    # -- from the client ----------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Read the socket until it closes: the client leaves, is gone, or was asked to go."""
        async for frame in self._socket:
            if frame.type not in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                return
            if self._flooded(int(time.monotonic())):
                log.warning("%s floods the signalling", self.info.identity)
                return self.end("STATE_MISMATCH")
            for event in self.signal.receive(frame.data, time.monotonic()):
                await self._on_event(event)
            replies, self.signal.replies = self.signal.replies, []
            for reply in replies:
                self.outbox.put(reply)
            await asyncio.sleep(0)  # aiohttp does not, as long as it has frames

    def _flooded(self, second: int) -> bool:
        if second != self._second:
            self._second, self._requests = second, 0
        self._requests += 1
        return self._requests > MAX_REQUESTS_PER_S

    async def _on_event(self, event: signal.ServerEvent) -> None:
        match event:
            case signal.Offer(sdp, offer_id):
                await self._on_offer(sdp, offer_id)
            case signal.Answer(sdp):
                self._downlink.answered(sdp)
            case signal.Candidate():
                await self._on_candidate(event)
            case signal.TrackAnnounced():
                self._on_announced(event)
            case signal.Muted(sid, muted):
                for track in self.tracks.values():
                    if track.info.sid == sid and track.info.muted != muted:
                        track.info.muted = muted
                        self._tracks_changed()
            case signal.Leaving():
                self.end("CLIENT_INITIATED")
            case signal.Ignored(what):
                log.debug("ignored from %s: %s", self.info.identity, what)

    async def _on_candidate(self, candidate: signal.Candidate) -> None:
        self._candidates += 1
        if self._candidates <= MAX_CANDIDATES:
            peer = self.incoming if candidate.target == SignalTarget.PUBLISHER else self.outgoing
            await peer.add_candidate(candidate.candidate_init, final=candidate.final)

    def _on_announced(self, event: signal.TrackAnnounced) -> None:
        if not self.grant.can_publish or self._fault("refuse-track"):
            return self.signal.refuse(event.cid, "NOT_ALLOWED")
        if event.cid not in self._announced:
            if len(self._announced) >= MAX_TRACKS:
                return self.signal.refuse(event.cid, "LIMIT_EXCEEDED")
            self._announced[event.cid] = TrackInfo(
                sid=f"TR_AM{secrets.token_hex(5)}",
                type=TrackType.AUDIO,
                name=event.name,
                muted=event.muted,
                source=event.source,  # type: ignore[arg-type]
                stream=event.stream,
                mime_type="audio/opus",
            )
        self.outbox.put(self.signal.published(event.cid, self._announced[event.cid]))

    async def _on_offer(self, sdp: str, offer_id: int) -> None:
        try:
            if not 1 <= sdp.count("\nm=") <= MAX_SECTIONS:
                raise ValueError("no media section, or too many")
            answer, by_mid = await self.incoming.answer(sdp)
        except Exception as problem:  # aiortc raises whatever its parser raises
            log.info("an offer of %s cannot be used: %r", self.info.identity, problem)
            return self.end("STATE_MISMATCH", "RECONNECT")
        self.outbox.put(self.signal.answer(answer, offer_id))
        named = {mid: track for mid, cid in by_mid.items() if (track := self._published(cid, mid)) is not None}
        self._by_mid = named
        for cid in [cid for cid, track in self.tracks.items() if track not in named.values()]:
            self._unpublished(cid)

    def _published(self, cid: str, mid: str) -> ForwardedTrack | None:
        """The track on this m-line; None when nothing like it was announced."""
        # A cid that matches nothing means the first announced track that is not there yet (3.7).
        waiting = (known for known in self._announced if known not in self.tracks)
        cid = cid if cid in self._announced else next(waiting, cid)
        if cid in self._announced and cid not in self.tracks:
            track = self.tracks[cid] = ForwardedTrack(self._announced[cid], self.info.sid)
            track.info.mid = mid
            self._tracks_changed()
            for other in self._room.others(self):
                other.hear(track)
        return self.tracks.get(cid)

    def _unpublished(self, cid: str) -> None:
        track = self.tracks.pop(cid)
        del self._announced[cid]
        for other in self._room.others(self):
            other.unhear(track)
        self._tracks_changed()

    def _tracks_changed(self) -> None:
        del self.info.tracks[:]
        self.info.tracks.extend(track.info for track in self.tracks.values())  # protobuf copies them
        self._room.changed(self)

    def _on_packet(self, mid: str, frame: EncodedFrame) -> None:
        track = self._by_mid.get(mid)
        if track is not None:
            track.push(frame)

    def _on_data(self, label: str, data: bytes) -> None:
        if self.grant.can_publish_data:
            self._room.relay(self, label, data)

    def _peer_changed(self, state: str) -> None:
        if state in ("failed", "closed"):
            self.outbox.close()

    # -- the end --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Free everything and tell the others; they have to be unable to find us in the room already."""
        if self._negotiating is not None:
            self._negotiating.cancel()
        for cid in list(self.tracks):
            self._unpublished(cid)
        for track in self._room.tracks():
            track.listeners.pop(self.info.sid, None)
        self.info.state = ParticipantInfo.DISCONNECTED
        self._room.changed(self)
        self.outbox.close()
        self.incoming.close()
        self.outgoing.close()
