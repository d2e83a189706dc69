"""RoomLink: one joined room, from join to leave.

The box and the sandbox's interpreter use the same link; only what they publish and whom they listen to differ.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiortc import RTCIceServer
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.rtc import SignalTarget

from service.concurrency import LatestQueue
from service.core.errors import Cause, LinkLost, PermissionMissing
from service.core.ports import EncodedSource
from service.room import aioice_repairs, aiortc_repairs, peers
from service.room import signal_protocol as signal
from service.room.data_packets import DataMessage, DataReceiver, DataSender
from service.room.ice_servers import reachable
from service.room.incoming import Incoming, SinkFor
from service.room.lifeline import Lifeline, seen
from service.room.peers import AnsweringPeer, OfferingPeer
from service.room.publishing import Publication, Publishing
from service.room.signalling import RESUME_S, Signalling
from service.room.signalling import join as signalling_join

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 20.0
# A real server adds an m-line for many of the tracks that come instead of using one again: in a long session they
# pile up (tests/cluster/test_many_targets.py shows how fast).
SPARE_M_LINES = 48
CHECKS_S = 1.0  # how long pion, LiveKit's ICE, checks a pair: 7 times, every 200 ms
# After these somebody wants us gone, or holds our token: no duel, and no haste (livekit-signalling 4.5).
PUT_OUT = {
    "DUPLICATE_IDENTITY": (Cause.DUPLICATE, 60.0),
    "PARTICIPANT_REMOVED": (Cause.REMOVED, 60.0),
    "ROOM_DELETED": (Cause.ROOM_GONE, 10.0),
}
MESSAGES_WAITING = 256
WATCH_S = 0.5
REACHED_S = 10.0
ALIVE_S = 3.0  # the far end answers a check each second
# A server that hears nothing asks for a resume every 15 s: a block of less than this leaves us in the room.
MEDIA_LOST_S = 60.0
SILENT_S = 40.0  # nothing at all, media or signal (4.5): whatever the reason, nobody is there


class RoomLink:
    """Made by `join`. Everything runs on the event loop; nothing here decodes sound."""

    def __init__(
        self,
        *,
        signalling: Signalling,
        ice_servers: list[RTCIceServer],
        sink_for: SinkFor,
    ) -> None:
        self._signalling = signalling
        self._protocol = signalling.protocol
        self._rights_at_first = self.rights()
        signalling.sync_state, signalling.media_lives = self._sync_state, self._media_lives
        self._lifeline = Lifeline()
        self._offers: asyncio.Queue[signal.Offer] = asyncio.Queue()
        self._restarting: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()  # the participant table
        self._incoming = Incoming(sink_for)
        self._messages = LatestQueue[DataMessage](MESSAGES_WAITING)
        self._data_out, self._data_in = DataSender(), DataReceiver()
        self._silent_s = 0.0
        self._publisher = OfferingPeer(
            ice_servers=ice_servers, changed=lambda state: self._peer_changed("publisher", state)
        )
        self._subscriber = AnsweringPeer(
            ice_servers=ice_servers,
            changed=lambda state: self._peer_changed("subscriber", state),
            on_packet=self._incoming.push,
            on_data=self._on_data,
        )
        self._publishing = Publishing(
            peer=self._publisher, protocol=self._protocol, send=self._send, lifeline=self._lifeline
        )

    # -- what its users call --------------------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        """Our own identity in the room."""
        me = self._protocol.me
        return me.identity if me else ""

    @property
    def participants(self) -> list[ParticipantInfo]:
        """Everybody in the room, ourselves included."""
        return list(self._protocol.participants.values())

    def rights(self) -> frozenset[str]:
        """What the server permits us: a subset of publish, subscribe, data. All of it when it does not say."""
        me = self._protocol.me
        if me is None or not me.HasField("permission"):
            return frozenset({"publish", "subscribe", "data"})
        permission = me.permission
        granted = {
            "publish": permission.can_publish,
            "subscribe": permission.can_subscribe,
            "data": permission.can_publish_data,
        }
        return frozenset(right for right, allowed in granted.items() if allowed)

    @property
    def reached(self) -> bool:
        """Whether the signalling was heard lately; a server is pinged each few seconds."""
        return self._protocol.silent_s(time.monotonic()) < REACHED_S

    @property
    def token(self) -> str:
        """What joins this room next time."""
        return self._signalling.token

    @property
    def addresses(self) -> frozenset[str]:
        """Our own addresses that its media goes by now."""
        return aioice_repairs.local_addresses(self._publisher.pc) | aioice_repairs.local_addresses(self._subscriber.pc)

    def lose(self, error: LinkLost) -> None:
        """Give the link up for a reason that shows elsewhere."""
        self._lifeline.fail(error)

    @property
    def alive(self) -> bool:
        """Whether the far end of both connections was heard lately; a path that is blocked shows within 4 s."""
        return self._silent_s < ALIVE_S and not self._lifeline.cut

    @property
    def packets_sent(self) -> int:
        """RTP packets sent so far, on all tracks of ours."""
        return aiortc_repairs.packets_sent(self._publisher.pc)

    @property
    def resumes(self) -> int:
        """How often a lost signalling socket was replaced without leaving the room."""
        return self._signalling.resumes

    async def publish(self, name: str, source: EncodedSource) -> Publication:
        """Publish one audio track. Raises LinkLost when the server refuses or does not answer."""
        return await self._publishing.publish(name, source, stream_id=self.identity or "boothd")

    async def unpublish(self, publication: Publication) -> None:
        """Stop publishing it; the m-line is kept for the next one."""
        await self._publishing.unpublish(publication)

    async def send(self, message: bytes, *, reliable: bool = True, to: str | None = None) -> None:
        """Send one data packet to everybody, or to one identity. Raises LinkLost when the channel is not open."""
        label = peers.RELIABLE if reliable else peers.LOSSY
        if not self._publisher.send_data(label, self._data_out.wrap(message, reliable=reliable, to=to)):
            raise LinkLost("the room's data channel is not open")

    async def present(self, identity_prefix: str) -> None:
        """Wait until somebody whose identity starts so, in lower case, is in the room."""
        while not self.is_present(identity_prefix):
            self._changed.clear()
            await self._changed.wait()

    def is_present(self, identity_prefix: str) -> bool:
        """Whether somebody whose identity starts so, in lower case, is in the room now."""
        return any(info.identity.lower().startswith(identity_prefix) for info in self.participants)

    async def data(self) -> AsyncIterator[DataMessage]:
        """Data packets of others, from both channels, in order of arrival."""
        while True:
            yield await self._messages.get()

    async def messages(self) -> AsyncIterator[bytes]:
        """The payloads of `data`."""
        async for message in self.data():
            yield message.payload

    async def pump(self) -> None:
        """Keep the link alive. Never returns: raises LinkLost, or PermissionMissing when a right is withdrawn."""
        await self._lifeline.failure()

    # -- joining and leaving ------------------------------------------------------------------------------------

    def _open(self) -> None:
        for work in (self._signal(), self._signalling.keep_alive(), self._answer_offers(), self._watch()):
            self._lifeline.start(work)

    async def wait_connected(self) -> None:
        """Wait until both connections carry media and data can be sent; with nothing published, data alone is offered.

        Raises LinkLost after `CONNECT_TIMEOUT_S`.
        """
        if not self._publishing.started:
            await self._publishing.negotiate()

        async def up() -> None:
            await self._publisher.connected.wait()
            if "subscribe" in self.rights():  # else the server never opens that connection
                await self._subscriber.connected.wait()
            await self._publisher.channel_open()

        silent = LinkLost("the room's media did not connect", cause=Cause.MEDIA)
        await self._lifeline.within(asyncio.ensure_future(up()), CONNECT_TIMEOUT_S, silent)

    async def _close(self) -> None:
        await self._lifeline.end_tasks()
        self._incoming.close()
        await self._signalling.close()
        self._publisher.close()
        self._subscriber.close()
        self._lifeline.close()

    # -- the wire -----------------------------------------------------------------------------------------------

    async def _send(self, frame: bytes) -> None:
        sending = asyncio.ensure_future(self._signalling.send(frame))
        sending.add_done_callback(seen)
        await self._lifeline.within(sending, RESUME_S, LinkLost("the room's signalling is lost"))

    async def _signal(self) -> None:
        async for event in self._signalling.events():
            await self._on_event(event)

    async def _media_lives(self) -> bool:
        """Whether sound goes either way while the signalling is gone."""
        return any(await asyncio.gather(self._publisher.answers(), self._subscriber.answers()))

    def _sync_state(self) -> bytes:
        remote, local = self._subscriber.pc.remoteDescription, self._subscriber.pc.localDescription
        return self._protocol.sync_state(
            answer=local.sdp if local else "",
            offer=remote.sdp if remote else "",
            tracks=self._publishing.accepted,
            channels=self._publisher.channel_ids(),
            received=self._data_in.last,
        )

    async def _on_event(self, event: signal.ClientEvent) -> None:
        match event:
            case signal.Offer() | signal.Answer() | signal.Candidate():
                await self._on_description(event)
            case signal.Published() | signal.Refused():
                self._publishing.heard(event)
            case signal.Unpublished():
                raise LinkLost("the room has removed our track")
            case signal.MutedByServer(sid, muted):
                self._publishing.mute(sid, muted)
            case signal.Participants():
                self._changed.set()
                self._incoming.bind(self.participants)
                self._check_rights()
            case signal.Resumed(media_lost):
                self._on_resumed(media_lost)
            case signal.Left(reason, action):
                cause, retry_after_s = PUT_OUT.get(reason, (Cause.ROOM, 0.0))
                text = f"the room asks us to leave ({reason}, {action})"
                raise LinkLost(text, cause=cause, retry_after_s=retry_after_s)
            case signal.Joined() | signal.TokenRefreshed() | signal.Ignored():
                log.debug("! %s", type(event).__name__)

    def _on_resumed(self, media_lost: bool) -> None:
        if media_lost:
            if self._restarting is not None:
                self._restarting.cancel()
            self._restarting = self._lifeline.start(self._restart_media())
        else:
            self._publishing.resumed()

    async def _on_description(self, event: signal.Offer | signal.Answer | signal.Candidate) -> None:
        match event:
            case signal.Offer():
                self._offers.put_nowait(event)
            case signal.Answer(sdp):
                self._publishing.answered(sdp)
            case signal.Candidate(target, candidate_init, final):
                peer = self._publisher if target == SignalTarget.PUBLISHER else self._subscriber
                await peer.add_candidate(candidate_init, final=final)

    def _check_rights(self) -> None:
        lost = self._rights_at_first & {"publish", "data"} - self.rights()
        if lost and self._publishing.active:
            raise PermissionMissing(lost)

    # -- negotiation --------------------------------------------------------------------------------------------

    async def _restart_media(self) -> None:
        """The server restarts ICE on our subscriber connection by itself, on the publisher one when we do.

        On the first one it is the server that checks, and where nothing came through within a second it has given every
        pair up for good: then it has to restart once more, which it does at each resume. As long as nothing comes
        through at all the server asks for a resume every 15 s, and each begins this anew.
        """
        began_s = time.monotonic()
        answers = await self._publisher.restarted(await self._publishing.negotiate(restart=True))
        if answers and time.monotonic() - began_s > CHECKS_S:
            await self._signalling.again()

    async def _answer_offers(self) -> None:
        while True:
            offer = await self._offers.get()
            try:
                sdp, named = await self._subscriber.answer(offer.sdp)
            except Exception as problem:  # the same; there is no "reject", so leave and join anew (3.5)
                raise LinkLost(f"the room's offer cannot be used ({type(problem).__name__})") from problem
            self._incoming.offered(named | offer.mid_to_track_id)
            self._incoming.bind(self.participants)
            await self._send(self._protocol.answer(sdp, offer.id))
            self._lifeline.start(self._follow_offer(offer.sdp))
            if len(self._subscriber.pc.getTransceivers()) - self._incoming.lines > SPARE_M_LINES:
                raise LinkLost(f"the room's connection has grown by more than {SPARE_M_LINES} m-lines without a track")

    async def _follow_offer(self, sdp: str) -> None:
        await self._subscriber.restarted(sdp)

    def _on_data(self, label: str, data: bytes) -> None:
        message = self._data_in.unwrap(data)
        if message is not None:
            self._messages.push(message)

    # -- liveness -----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """The one watchdog above all other time limits."""
        while True:
            await asyncio.sleep(WATCH_S)
            now_s = time.monotonic()
            media_s = [peer.silent_s(now_s) for peer in (self._publisher, self._subscriber)]
            self._silent_s = max(media_s)
            if self._silent_s > MEDIA_LOST_S:
                raise LinkLost(f"the room's media was silent for {MEDIA_LOST_S:g} s", cause=Cause.MEDIA)
            if min(*media_s, self._protocol.silent_s(now_s)) > SILENT_S:
                raise LinkLost(f"nothing was heard of the room for {SILENT_S:g} s", cause=Cause.NETWORK)

    # -- failure ------------------------------------------------------------------------------------------------

    def _peer_changed(self, which: str, state: str) -> None:
        log.debug("= %s %s", which, state)
        if state in ("failed", "closed"):
            self._lifeline.fail(LinkLost(f"the room's media is lost ({which} {state})", cause=Cause.MEDIA))


@asynccontextmanager
async def join(url: str, token: str, *, sink_for: SinkFor) -> AsyncIterator[RoomLink]:
    """Join the room that the token names; left on exit within a second.

    `sink_for` is asked on the event loop for each remote audio track, again when an m-line gets another track.
    Raises TokenRefused or LinkLost.
    """
    aiortc_repairs.install()
    signalling, response = await signalling_join(url, token)
    try:
        servers = await reachable(response)
    except BaseException:
        await signalling.close()
        raise
    link = RoomLink(signalling=signalling, ice_servers=servers, sink_for=sink_for)
    link._open()
    try:
        yield link
    finally:
        await asyncio.shield(asyncio.ensure_future(link._close()))
