"""The embedded room: enough LiveKit signalling that stock clients join, and Opus packets forwarded as they came.

Nothing is decoded or encoded: a packet goes out with the payload and the timestamp it came with, and a lost one
leaves its gap in the sequence, so that FEC and concealment at the far end have their work (livekit-signalling 6).
No resume and no simulcast; tracks are audio only.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

import aiohttp
from aiohttp import web
from livekit.protocol.models import (
    Codec,
    ParticipantInfo,
    ParticipantPermission,
    Room,
    ServerInfo,
    TrackInfo,
    TrackType,
)
from livekit.protocol.rtc import JoinResponse, SignalTarget

from service.core.audio import EncodedFrame
from service.room import aiortc_repairs, peers
from service.room import signal_protocol as signal
from service.room.data_packets import relay
from service.room.peers import AnsweringPeer, OfferingPeer, Sending
from service.room.tracks import PacketQueue
from service.sandbox.tokens import Grant, TokenRefused

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 10.0
MAX_MESSAGE_BYTES = 2 * 1024 * 1024
MAX_PARTICIPANTS = 50
MAX_TRACKS = 32
VERSION = "1.8.4"
CORS = {"Access-Control-Allow-Origin": "*"}


class ForwardedTrack:
    """One published track and the queues of those who hear it."""

    def __init__(self, info: TrackInfo, publisher: Participant) -> None:
        self.info, self.publisher = info, publisher
        self.listeners: dict[str, PacketQueue] = {}

    def push(self, frame: EncodedFrame) -> None:
        """Forward one packet to every listener."""
        for queue in self.listeners.values():
            queue.push(frame)


class Participant:
    """One client: its signalling, its two connections, what it publishes and hears."""

    def __init__(
        self,
        *,
        grant: Grant,
        room: EmbeddedRoom,
        socket: web.WebSocketResponse,
        fault: Callable[[str], bool],
    ) -> None:
        self.grant, self.room, self.socket, self._fault = grant, room, socket, fault
        self.signal = signal.SignalServer()
        permission = ParticipantPermission(
            can_publish=grant.can_publish,
            can_subscribe=grant.can_subscribe,
            can_publish_data=grant.can_publish_data,
        )
        self.info = ParticipantInfo(
            sid=f"PA_{secrets.token_hex(6)}",
            identity=grant.identity,
            name=grant.identity,
            state=ParticipantInfo.JOINED,
            joined_at=int(time.time()),
            permission=permission,
            version=1,
        )
        self.incoming = AnsweringPeer(
            ice_servers=[], changed=self._peer_changed, on_packet=self._on_packet, on_data=self._on_data
        )
        self.outgoing = OfferingPeer(ice_servers=[], changed=self._peer_changed)
        self.outgoing.add_channels()
        self._announced: dict[str, TrackInfo] = {}  # cid -> what it will be
        self.tracks: dict[str, ForwardedTrack] = {}  # by cid
        self._by_mid: dict[str, ForwardedTrack] = {}
        self._sendings: dict[str, Sending] = {}  # track SID -> the m-line that carries it to us
        self._answer: asyncio.Future[str] | None = None
        self._offer_wanted = asyncio.Event()
        self.gone = asyncio.Event()
        self._task = asyncio.ensure_future(self._negotiate())

    # -- towards the client -------------------------------------------------------------------------------------

    async def send(self, frame: bytes) -> None:
        """Send one signalling frame; a closed socket ends the participant."""
        try:
            await self.socket.send_bytes(frame)
        except (aiohttp.ClientError, ConnectionError):
            self.gone.set()

    def hear(self, track: ForwardedTrack) -> None:
        """Subscribe this participant to a track."""
        sid = track.info.sid
        if not self.grant.can_subscribe or track.publisher is self or sid in self._sendings:
            return
        queue = PacketQueue()
        track.listeners[self.info.sid] = queue
        self._sendings[sid] = self.outgoing.add_track(
            queue, stream_id=f"{track.publisher.info.sid}|{sid}", track_id=sid
        )
        self._offer_wanted.set()

    def unhear(self, track: ForwardedTrack) -> None:
        """The track is gone, or not wanted any more."""
        track.listeners.pop(self.info.sid, None)
        sending = self._sendings.pop(track.info.sid, None)
        if sending is not None:
            self.outgoing.remove_track(sending)
            self._offer_wanted.set()

    async def _negotiate(self) -> None:
        """Offer whenever something has changed: data only at first, tracks once media is connected (6.2)."""
        try:
            await self._offer()
            if not self._fault("early-offer"):
                await self.outgoing.connected.wait()
            self.info.state = ParticipantInfo.ACTIVE
            await self.room.changed(self)
            for track in self.room.tracks():
                self.hear(track)
            while True:
                await self._offer_wanted.wait()
                self._offer_wanted.clear()
                await self._offer()
        except (TimeoutError, ValueError):
            log.info("%s did not answer an offer", self.info.identity)
            self.gone.set()

    async def _offer(self) -> None:
        self._answer = asyncio.get_running_loop().create_future()
        sdp = await self.outgoing.offer()
        by_mid = {mid: name for mid, name in peers.tracks_by_mid(sdp).items() if name in self._sendings}
        if self._fault("old-server"):
            sdp, by_mid = sdp.replace("a=msid-semantic:WMS *", "a=msid-semantic:WMS*"), {}
        await self.send(self.signal.offer(sdp, by_mid))
        await self.outgoing.accept(await asyncio.wait_for(self._answer, ANSWER_TIMEOUT_S))

    # -- from the client ----------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Read the socket until it closes, the client leaves, or it is put out."""
        while not self.gone.is_set():
            frame = await self.socket.receive()
            if frame.type not in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                return
            for event in self.signal.receive(frame.data, time.monotonic()):
                await self._on_event(event)
            replies, self.signal.replies = self.signal.replies, []
            for reply in replies:
                await self.send(reply)

    async def _on_event(self, event: signal.ServerEvent) -> None:
        match event:
            case signal.Offer(sdp, offer_id):
                await self._on_offer(sdp, offer_id)
            case signal.Answer(sdp):
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(sdp)
            case signal.Candidate(target, candidate_init, final):
                peer = self.incoming if target == SignalTarget.PUBLISHER else self.outgoing
                await peer.add_candidate(candidate_init, final=final)
            case signal.TrackAnnounced():
                await self._on_announced(event)
            case signal.Muted(sid, muted):
                for track in self.tracks.values():
                    if track.info.sid == sid:
                        track.info.muted = muted
                await self.room.changed(self)
            case signal.Leaving():
                await self.send(self.signal.leave("CLIENT_INITIATED"))
                self.gone.set()
            case signal.Ignored(what):
                log.debug("ignored from %s: %s", self.info.identity, what)

    async def _on_announced(self, event: signal.TrackAnnounced) -> None:
        if not self.grant.can_publish or self._fault("refuse-track"):
            self.signal.refuse(event.cid, "NOT_ALLOWED")
            return
        if len(self._announced) >= MAX_TRACKS:
            self.signal.refuse(event.cid, "LIMIT_EXCEEDED")
            return
        info = TrackInfo(
            sid=f"TR_AM{secrets.token_hex(5)}",
            type=TrackType.AUDIO,
            name=event.name,
            muted=event.muted,
            source=event.source,  # type: ignore[arg-type]
            stream=event.stream,
            mime_type="audio/opus",
        )
        self._announced[event.cid] = info
        await self.send(self.signal.published(event.cid, info))

    async def _on_offer(self, sdp: str, offer_id: int) -> None:
        try:
            answer, by_mid = await self.incoming.answer(sdp)
        except Exception as problem:  # aiortc raises whatever its parser raises
            log.info("an offer of %s cannot be used: %r", self.info.identity, problem)
            await self.send(self.signal.leave("STATE_MISMATCH", "RECONNECT"))
            self.gone.set()
            return
        await self.send(self.signal.answer(answer, offer_id))
        self._by_mid = {}
        for mid, cid in by_mid.items():
            # A cid that matches nothing means the first announced track that is not there yet (3.7).
            waiting = [known for known in self._announced if known not in self.tracks]
            if cid not in self._announced and waiting:
                cid = waiting[0]
            if cid in self._announced:
                self._by_mid[mid] = await self._published(cid, mid)
        for cid in [cid for cid, track in self.tracks.items() if track not in self._by_mid.values()]:
            await self._unpublished(cid)

    async def _published(self, cid: str, mid: str) -> ForwardedTrack:
        track = self.tracks.get(cid)
        if track is None:
            track = self.tracks[cid] = ForwardedTrack(self._announced[cid], self)
            track.info.mid = mid
            self.info.tracks.append(track.info)
            await self.room.changed(self)
            for other in self.room.others(self):
                other.hear(track)
        return track

    async def _unpublished(self, cid: str) -> None:
        track = self.tracks.pop(cid)
        self._announced.pop(cid, None)
        kept = [info for info in self.info.tracks if info.sid != track.info.sid]
        del self.info.tracks[:]
        self.info.tracks.extend(kept)
        for other in self.room.others(self):
            other.unhear(track)
        await self.room.changed(self)

    def _on_packet(self, mid: str, frame: EncodedFrame) -> None:
        track = self._by_mid.get(mid)
        if track is not None:
            track.push(frame)

    def _on_data(self, label: str, data: bytes) -> None:
        if self.grant.can_publish_data:
            self.room.relay(self, label, data)

    def _peer_changed(self, state: str) -> None:
        if state in ("failed", "closed"):
            self.put_out()

    # -- the end --------------------------------------------------------------------------------------------------

    def put_out(self) -> None:
        """End this participant without a word."""
        if not self.gone.is_set():
            self.gone.set()
            closing = asyncio.ensure_future(self.socket.close())
            self.room.tasks.add(closing)
            closing.add_done_callback(self.room.tasks.discard)

    async def close(self) -> None:
        """Free everything and tell the others."""
        self.gone.set()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for cid in list(self.tracks):
            await self._unpublished(cid)
        for track in self.room.tracks():
            track.listeners.pop(self.info.sid, None)
        self.incoming.close()
        self.outgoing.close()
        self.info.state = ParticipantInfo.DISCONNECTED
        await self.room.changed(self)
        await self.socket.close()


class EmbeddedRoom:
    """One room: who is in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sid = f"RM_{secrets.token_hex(6)}"
        self.created_s = int(time.time())
        self.participants: dict[str, Participant] = {}  # by identity
        self.tasks: set[asyncio.Task[bool]] = set()

    def others(self, one: Participant) -> list[Participant]:
        """Everybody else."""
        return [participant for participant in self.participants.values() if participant is not one]

    def tracks(self) -> list[ForwardedTrack]:
        """Every published track."""
        return [track for participant in self.participants.values() for track in participant.tracks.values()]

    async def changed(self, one: Participant) -> None:
        """Tell everybody that this participant has changed, itself included."""
        one.info.version += 1
        for participant in list(self.participants.values()):
            await participant.send(participant.signal.update([one.info]))

    def relay(self, sender: Participant, label: str, data: bytes) -> None:
        """Pass a data packet on, on the channel of the same label, never back to its sender."""
        stamped = relay(
            data,
            label_reliable=label == peers.RELIABLE,
            sender_sid=sender.info.sid,
            sender_identity=sender.info.identity,
        )
        if stamped is None or label not in (peers.RELIABLE, peers.LOSSY):
            return
        packet, destinations = stamped
        for other in self.others(sender):
            if destinations and other.info.identity not in destinations:
                continue
            if label == peers.RELIABLE:
                other.outgoing.deliver(packet)
            else:
                other.outgoing.send_data(label, packet)


class RoomServer:
    """All rooms, and the routes by which clients come in."""

    def __init__(
        self,
        *,
        verify: Callable[[str], Grant],
        refresh: Callable[[Grant], str],
        fault: Callable[[str], bool],
        joined: Callable[[str, str], None],
        left: Callable[[str, str], None],
    ) -> None:
        """`verify` raises TokenRefused; `refresh` mints a newer token; `joined` and `left` are told the room and the
        identity of everybody who comes and goes."""
        self._verify, self._refresh, self._fault = verify, refresh, fault
        self._joined, self._left = joined, left
        self.rooms: dict[str, EmbeddedRoom] = {}

    def routes(self) -> list[web.RouteDef]:
        """With and without a path prefix; the Rust SDK doubles the slash (livekit-signalling 6.1)."""
        return [
            web.get("/{prefix:.*}rtc/v1", self._no_v1),
            web.get("/{prefix:.*}rtc/v1/validate", self._no_v1),
            web.get("/{prefix:.*}rtc/validate", self._validate),
            web.get("/{prefix:.*}rtc", self._rtc),
        ]

    async def _no_v1(self, _: web.Request) -> web.Response:
        # Browsers fall back to /rtc only when they may read this (1.7).
        return web.Response(status=404, text="Not Found", headers=CORS)

    async def _validate(self, request: web.Request) -> web.Response:
        try:
            self._verify(_token(request))
        except TokenRefused as refusal:
            return web.Response(status=401, text=str(refusal), headers=CORS)
        return web.Response(text="success", headers=CORS)

    async def _rtc(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=404, text="Not Found", headers=CORS)
        try:
            grant = self._verify(_token(request))
        except TokenRefused as refusal:
            return web.Response(status=401, text=str(refusal), headers=CORS)
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=10.0)
        await socket.prepare(request)
        if request.query.get("reconnect") in ("1", "true"):
            await socket.send_bytes(signal.SignalServer().leave("STATE_MISMATCH", "RECONNECT"))
        else:
            await self._serve(grant, socket)
        await socket.close()
        return socket

    async def _serve(self, grant: Grant, socket: web.WebSocketResponse) -> None:
        aiortc_repairs.install()
        room = self.rooms.setdefault(grant.room, EmbeddedRoom(grant.room))
        double = room.participants.get(grant.identity)
        if double is not None:
            await double.send(double.signal.leave("DUPLICATE_IDENTITY"))
            double.put_out()
            await self._remove(double)
        if len(room.participants) >= MAX_PARTICIPANTS:
            await socket.send_bytes(signal.SignalServer().leave("JOIN_FAILURE"))
            return
        participant = Participant(grant=grant, room=room, socket=socket, fault=self._fault)
        await participant.send(participant.signal.join(self._join(room, participant)))
        room.participants[grant.identity] = participant
        self._joined(room.name, grant.identity)
        await participant.send(participant.signal.refresh_token(self._refresh(grant)))
        try:
            await participant.serve()
        finally:
            await self._remove(participant)

    def _join(self, room: EmbeddedRoom, participant: Participant) -> JoinResponse:
        return JoinResponse(
            room=Room(
                sid=room.sid,
                name=room.name,
                creation_time=room.created_s,
                empty_timeout=300,
                departure_timeout=20,
                enabled_codecs=[Codec(mime="audio/opus")],
            ),
            participant=participant.info,
            other_participants=[other.info for other in room.participants.values()],
            subscriber_primary=True,
            ping_interval=5,
            ping_timeout=15,
            server_info=ServerInfo(version=VERSION, protocol=15, region="sandbox"),
            server_version=VERSION,
            enabled_publish_codecs=[Codec(mime="audio/opus")],
        )

    async def _remove(self, participant: Participant) -> None:
        room = participant.room
        if room.participants.get(participant.info.identity) is participant:
            del room.participants[participant.info.identity]
            await participant.close()
            if not room.participants:
                self.rooms.pop(room.name, None)
            self._left(room.name, participant.info.identity)

    async def end_room(self, name: str, reason: str = "ROOM_DELETED") -> None:
        """Ask everybody in the room to leave, and close it."""
        room = self.rooms.get(name)
        for participant in list(room.participants.values()) if room else []:
            await participant.send(participant.signal.leave(reason))
            participant.put_out()


def _token(request: web.Request) -> str:
    header = request.headers.get("Authorization")
    if header is not None:
        return header.removeprefix("Bearer ") if header.startswith("Bearer ") else ""
    return request.query.get("access_token", "")
