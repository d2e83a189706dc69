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

from aiohttp import web
from livekit.protocol.models import Codec, Room, ServerInfo
from livekit.protocol.rtc import JoinResponse

from service.room import aiortc_repairs, peers
from service.room import signal_protocol as signal
from service.room.data_packets import relay
from service.sandbox.downlink import ForwardedTrack
from service.sandbox.outbox import CLOSE_S, Outbox
from service.sandbox.participant import Participant
from service.sandbox.tokens import Grant, TokenRefused

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 512 * 1024
MAX_PARTICIPANTS = 50
HEARTBEAT_S = 10.0  # WebSocket pings, as LiveKit's; a peer that does not answer is gone after half as long again
VERSION = "1.8.4"
CORS = {"Access-Control-Allow-Origin": "*"}


class EmbeddedRoom:
    """One room: who is in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sid = f"RM_{secrets.token_hex(6)}"
        self.created_s = int(time.time())
        self.participants: dict[str, Participant] = {}  # by identity

    def others(self, one: Participant) -> list[Participant]:
        """Everybody else."""
        return [participant for participant in self.participants.values() if participant is not one]

    def tracks(self) -> list[ForwardedTrack]:
        """Every published track."""
        return [track for participant in self.participants.values() for track in participant.tracks.values()]

    def changed(self, one: Participant) -> None:
        """Tell everybody that this participant has changed, itself included."""
        one.info.version += 1
        for participant in self.participants.values():
            participant.outbox.put(participant.signal.update([one.info]))

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
            try:
                if label == peers.RELIABLE:
                    other.outgoing.deliver(packet)
                else:
                    other.outgoing.send_data(label, packet)
            except ValueError as problem:  # our stamp has made it too long
                log.info("a data packet of %s is not passed on: %s", sender.info.identity, problem)


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

    async def end_room(self, name: str, reason: str = "ROOM_DELETED") -> None:
        """Ask everybody in the room to leave, and wait until they are out: a second or so at most."""
        room = self.rooms.get(name)
        inside = list(room.participants.values()) if room else []
        for participant in inside:
            participant.end(reason)
        await asyncio.gather(*(participant.outbox.closed() for participant in inside))

    async def close(self) -> None:
        """End all rooms: the server goes down."""
        await asyncio.gather(*(self.end_room(name, "SERVER_SHUTDOWN") for name in list(self.rooms)))

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
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S, timeout=CLOSE_S)
        await socket.prepare(request)
        outbox = Outbox(socket, request.transport)
        try:
            if request.query.get("reconnect") in ("1", "true"):
                outbox.put(signal.SignalServer().leave("STATE_MISMATCH", "RECONNECT"))
            else:
                await self._serve(grant, socket, outbox)
        finally:
            await outbox.closed()
        return socket

    async def _serve(self, grant: Grant, socket: web.WebSocketResponse, outbox: Outbox) -> None:
        aiortc_repairs.install()
        # No await from here until the participant is in: others of its identity may come at the same time.
        room = self.rooms.get(grant.room) or EmbeddedRoom(grant.room)
        double = room.participants.get(grant.identity)
        if double is not None:
            double.end("DUPLICATE_IDENTITY")
            self._remove(room, double)
        if len(room.participants) >= MAX_PARTICIPANTS:
            outbox.put(signal.SignalServer().leave("JOIN_FAILURE"))
            return
        participant = Participant(grant=grant, room=room, socket=socket, outbox=outbox, fault=self._fault)
        outbox.put(participant.signal.join(_join(room, participant)))
        outbox.put(participant.signal.refresh_token(self._refresh(grant)))
        self.rooms[room.name] = room
        room.participants[grant.identity] = participant
        self._joined(room.name, grant.identity)
        try:
            participant.start()
            await participant.serve()
        finally:
            self._remove(room, participant)

    def _remove(self, room: EmbeddedRoom, participant: Participant) -> None:
        if room.participants.get(participant.info.identity) is participant:
            del room.participants[participant.info.identity]
            participant.close()
            if not room.participants:
                del self.rooms[room.name]
            self._left(room.name, participant.info.identity)


def _join(room: EmbeddedRoom, participant: Participant) -> JoinResponse:
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


def _token(request: web.Request) -> str:
    header = request.headers.get("Authorization")
    if header is not None:
        return header.removeprefix("Bearer ") if header.startswith("Bearer ") else ""
    return request.query.get("access_token", "")
