"""LiveKit's signalling, sans-I/O, both roles: bytes in, events out; calls in, bytes out (livekit-signalling 3).

The protobuf messages are LiveKit's own; this file holds what stands between them and a shell: the numbering of
offers, which answer counts, the participant table, keep-alive. Time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from livekit.protocol.models import DisconnectReason, ParticipantInfo, TrackInfo, TrackSource, TrackType
from livekit.protocol.rtc import (
    AddTrackRequest,
    DataChannelInfo,
    DataChannelReceiveState,
    JoinResponse,
    LeaveRequest,
    MuteTrackRequest,
    ParticipantUpdate,
    Ping,
    Pong,
    RequestResponse,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    SignalTarget,
    SyncState,
    TrackPublishedResponse,
    TrickleRequest,
    UpdateSubscription,
)

PROTOCOL = 15  # the highest number that the oldest interesting server (1.8.4) knows (1.5)
MAX_RTT_MS = 60_000
DEFAULT_PING_INTERVAL_S, DEFAULT_PING_TIMEOUT_S = 5.0, 15.0


@dataclass(frozen=True, slots=True)
class Joined:
    """First message: we are in the room."""

    response: JoinResponse


@dataclass(frozen=True, slots=True)
class Offer:
    """The other side's offer; the answer has to carry the same id (0 from servers before 1.9.1)."""

    sdp: str
    id: int
    mid_to_track_id: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to our latest offer; stale ones never become an event."""

    sdp: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trickled candidate, browser JSON; `final` says that no more come."""

    target: int
    candidate_init: str
    final: bool


@dataclass(frozen=True, slots=True)
class Published:
    """The server accepted our track."""

    cid: str
    track: TrackInfo


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused a request of ours."""

    reason: str
    cid: str | None


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The server removed a track of ours."""

    sid: str


@dataclass(frozen=True, slots=True)
class MutedByServer:
    """A moderator muted a track of ours; unmuting is left to us (livekit-signalling 3.7)."""

    sid: str
    muted: bool


@dataclass(frozen=True, slots=True)
class Participants:
    """The participant table has changed."""


@dataclass(frozen=True, slots=True)
class TokenRefreshed:
    """A newer token for the next connection to this room; a secret."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resumed:
    """First message after a resume: the server still knows us. `media_lost`: it had lost our media before."""

    media_lost: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """We are asked to leave; names as in LiveKit's DisconnectReason and LeaveRequest.Action."""

    reason: str
    action: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame that means nothing to us: an unknown kind, or one that cannot be read."""

    what: str


ClientEvent = (
    Joined
    | Offer
    | Answer
    | Candidate
    | Published
    | Refused
    | Unpublished
    | MutedByServer
    | Participants
    | TokenRefreshed
    | Resumed
    | Left
    | Ignored
)


class SignalClient:
    """The client's role. `participants` is the truth about who publishes what, by participant SID."""

    def __init__(self, now_s: float) -> None:
        self.joined: JoinResponse | None = None
        self.participants: dict[str, ParticipantInfo] = {}
        self._offer_id = 0
        self._heard_s = now_s
        self._pinged_s = now_s
        self._rtt_ms = 0
        self._whole_table_follows = False

    @property
    def me(self) -> ParticipantInfo | None:
        """Our own entry, once joined."""
        return self.participants.get(self.joined.participant.sid) if self.joined else None

    def receive(self, frame: bytes | str, now_s: float) -> list[ClientEvent]:
        """The events in one WebSocket frame. Never raises."""
        self._heard_s = now_s
        if isinstance(frame, str):
            return [Ignored("a text frame")]
        try:
            response = SignalResponse.FromString(frame)
        except DecodeError:
            return [Ignored("a frame that is no SignalResponse")]
        kind = response.WhichOneof("message")
        reader = getattr(self, f"_on_{kind}", None)
        if kind == "pong_resp":
            rtt_ms = round(now_s * 1000) - response.pong_resp.last_ping_timestamp
            self._rtt_ms = min(max(0, rtt_ms), MAX_RTT_MS)
            return []
        if kind in _QUIET:
            return []
        return [Ignored(str(kind))] if reader is None else reader(getattr(response, str(kind)))

    def _on_join(self, join: JoinResponse) -> list[ClientEvent]:
        self.joined = join
        for info in (join.participant, *join.other_participants):
            self.participants[info.sid] = info
        return [Joined(join)]

    def _on_offer(self, offer: SessionDescription) -> list[ClientEvent]:
        return [Offer(offer.sdp, offer.id, dict(offer.mid_to_track_id))]

    def _on_answer(self, answer: SessionDescription) -> list[ClientEvent]:
        if answer.id not in (0, self._offer_id):
            return [Ignored(f"an answer to offer {answer.id}, the latest is {self._offer_id}")]
        return [Answer(answer.sdp)]

    def _on_trickle(self, trickle: TrickleRequest) -> list[ClientEvent]:
        return [Candidate(trickle.target, trickle.candidateInit, trickle.final)]

    def _on_update(self, update: ParticipantUpdate) -> list[ClientEvent]:
        if self._whole_table_follows:
            self._whole_table_follows = False
            there = {info.sid for info in update.participants}
            self.participants = {sid: info for sid, info in self.participants.items() if sid in there}
        for info in update.participants:
            known = self.participants.get(info.sid)
            if info.state == ParticipantInfo.DISCONNECTED:
                self.participants.pop(info.sid, None)
            elif known is None or info.version >= known.version:
                self.participants[info.sid] = info
        return [Participants()]

    def _on_track_published(self, published: TrackPublishedResponse) -> list[ClientEvent]:
        return [Published(published.cid, published.track)]

    def _on_track_unpublished(self, unpublished: SignalResponse) -> list[ClientEvent]:
        return [Unpublished(unpublished.track_sid)]  # type: ignore[attr-defined]

    def _on_mute(self, mute: MuteTrackRequest) -> list[ClientEvent]:
        return [MutedByServer(mute.sid, mute.muted)]

    def _on_request_response(self, response: RequestResponse) -> list[ClientEvent]:
        if response.reason == RequestResponse.OK:
            return []
        cid = response.add_track.cid if response.WhichOneof("request") == "add_track" else None
        return [Refused(_name(RequestResponse.Reason, response.reason), cid)]

    def _on_refresh_token(self, token: str) -> list[ClientEvent]:
        return [TokenRefreshed(token)]

    def _on_leave(self, leave: LeaveRequest) -> list[ClientEvent]:
        return [Left(_name(DisconnectReason, leave.reason), _name(LeaveRequest.Action, leave.action))]

    def _on_reconnect(self, _: object) -> list[ClientEvent]:
        self._whole_table_follows = True  # the first update after it names everybody (4.2)
        return [Resumed()]

    def offer(self, sdp: str) -> bytes:
        """Our next offer, numbered 1, 2, 3…"""
        self._offer_id += 1
        return _request(offer=SessionDescription(type="offer", sdp=sdp, id=self._offer_id))

    def answer(self, sdp: str, offer_id: int) -> bytes:
        """The answer to the offer of this id."""
        return _request(answer=SessionDescription(type="answer", sdp=sdp, id=offer_id))

    def add_track(self, *, cid: str, name: str) -> bytes:
        """Announce one microphone track, without DTX and RED, which the vendor wants off (palabra-api 2.4)."""
        return _request(
            add_track=AddTrackRequest(
                cid=cid,
                name=name,
                type=TrackType.AUDIO,
                source=TrackSource.MICROPHONE,
                disable_dtx=True,
                disable_red=True,
            )
        )

    def sync_state(
        self,
        *,
        answer: str,
        offer: str,
        tracks: dict[str, TrackInfo],
        channels: dict[str, int],
        received: dict[str, int],
    ) -> bytes:
        """What we believe, said right after a resume (4.2): the subscriber connection's last descriptions, our tracks
        by cid, the ids of our data channels by label, the last reliable sequence of each participant SID."""
        return _request(
            sync_state=SyncState(
                answer=SessionDescription(type="answer", sdp=answer),
                offer=SessionDescription(type="offer", sdp=offer),
                subscription=UpdateSubscription(subscribe=False),  # auto-subscribe, nothing taken out
                publish_tracks=[TrackPublishedResponse(cid=cid, track=track) for cid, track in tracks.items()],
                data_channels=[
                    DataChannelInfo(label=label, id=id_, target=SignalTarget.PUBLISHER)
                    for label, id_ in channels.items()
                ],
                datachannel_receive_states=[
                    DataChannelReceiveState(publisher_sid=sid, last_seq=last) for sid, last in received.items()
                ],
            )
        )

    def leave(self) -> bytes:
        """Goodbye."""
        return _request(
            leave=LeaveRequest(reason=DisconnectReason.CLIENT_INITIATED, action=LeaveRequest.Action.DISCONNECT)
        )

    @property
    def _interval_s(self) -> float:
        return (self.joined.ping_interval if self.joined else 0) or DEFAULT_PING_INTERVAL_S

    def due(self, now_s: float) -> list[bytes]:
        """The pings to send now, both kinds; none when it is too early."""
        if now_s - self._pinged_s < self._interval_s:
            return []
        self._pinged_s = now_s
        now_ms = round(now_s * 1000)
        return [_request(ping_req=Ping(timestamp=now_ms, rtt=self._rtt_ms)), _request(ping=now_ms)]

    def silent_s(self, now_s: float) -> float:
        """For how long nothing has come."""
        return now_s - self._heard_s

    def silent_for_too_long(self, now_s: float) -> bool:
        """Whether nothing has come for the server's `ping_timeout`: the socket is dead."""
        timeout_s = (self.joined.ping_timeout if self.joined else 0) or DEFAULT_PING_TIMEOUT_S
        return self.silent_s(now_s) > timeout_s


# What a client of one audio track has no use for; logged by nobody.
_QUIET = {"pong", "room_update", "speakers_changed", "connection_quality", "stream_state_update", "track_subscribed"}
_QUIET |= {"subscribed_quality_update", "subscription_permission_update", "subscribed_audio_codec_update"}


def _request(**message: object) -> bytes:
    return SignalRequest(**message).SerializeToString()  # type: ignore[arg-type]


def _response(**message: object) -> bytes:
    return SignalResponse(**message).SerializeToString()  # type: ignore[arg-type]


def _name(enum: object, value: int) -> str:
    try:
        return str(enum.Name(value))  # type: ignore[attr-defined]
    except ValueError:
        return str(value)


@dataclass(frozen=True, slots=True)
class TrackAnnounced:
    """The client will publish a track; refused ones never become an event."""

    cid: str
    name: str
    muted: bool
    source: int
    stream: str


@dataclass(frozen=True, slots=True)
class Muted:
    """The client muted or unmuted a track of its own."""

    sid: str
    muted: bool


@dataclass(frozen=True, slots=True)
class Leaving:
    """The client says goodbye."""


ServerEvent = Offer | Answer | Candidate | TrackAnnounced | Muted | Leaving | Ignored


class SignalServer:
    """The server's role towards one client. `replies` collects what has to be sent at once."""

    def __init__(self) -> None:
        self.replies: list[bytes] = []
        self._offer_id = 0

    def receive(self, frame: bytes | str, now_s: float) -> list[ServerEvent]:
        """The events in one WebSocket frame; pings and refusals are answered in `replies`. Never raises."""
        if isinstance(frame, str):
            return [Ignored("a text frame")]
        try:
            request = SignalRequest.FromString(frame)
        except DecodeError:
            return [Ignored("a frame that is no SignalRequest")]
        match request.WhichOneof("message"):
            case "offer":
                return [Offer(request.offer.sdp, request.offer.id)]
            case "answer":
                stale = request.answer.id not in (0, self._offer_id)
                return [Ignored("a stale answer")] if stale else [Answer(request.answer.sdp)]
            case "trickle":
                trickle = request.trickle
                return [Candidate(trickle.target, trickle.candidateInit, trickle.final)]
            case "add_track":
                return self._on_add_track(request.add_track)
            case "mute":
                return [Muted(request.mute.sid, request.mute.muted)]
            case "leave":
                return [Leaving()]
            case "ping":
                self.replies.append(_response(pong=round(now_s * 1000)))
                return []
            case "ping_req":
                pong = Pong(last_ping_timestamp=request.ping_req.timestamp, timestamp=round(now_s * 1000))
                self.replies.append(_response(pong_resp=pong))
                return []
            case other:
                return [Ignored(str(other))]

    def _on_add_track(self, add: AddTrackRequest) -> list[ServerEvent]:
        if add.type != TrackType.AUDIO:
            self.refuse(add.cid, "UNSUPPORTED_TYPE")
            return []
        return [TrackAnnounced(add.cid, add.name, add.muted, add.source, add.stream)]

    def refuse(self, cid: str, reason: str) -> None:
        """Refuse to publish the track of this cid."""
        self.replies.append(
            _response(request_response=RequestResponse(reason=reason, add_track=AddTrackRequest(cid=cid)))
        )

    def join(self, response: JoinResponse) -> bytes:
        """The first message."""
        return _response(join=response)

    def offer(self, sdp: str, mid_to_track_id: dict[str, str]) -> bytes:
        """Our next offer, numbered 1, 2, 3…"""
        self._offer_id += 1
        description = SessionDescription(type="offer", sdp=sdp, id=self._offer_id, mid_to_track_id=mid_to_track_id)
        return _response(offer=description)

    def answer(self, sdp: str, offer_id: int) -> bytes:
        """The answer to the client's offer, with the same id: livekit-client drops others."""
        return _response(answer=SessionDescription(type="answer", sdp=sdp, id=offer_id))

    def published(self, cid: str, track: TrackInfo) -> bytes:
        """The track of this cid is accepted."""
        return _response(track_published=TrackPublishedResponse(cid=cid, track=track))

    def update(self, participants: list[ParticipantInfo]) -> bytes:
        """Participants that have changed."""
        return _response(update=ParticipantUpdate(participants=participants))

    def refresh_token(self, token: str) -> bytes:
        """A newer token."""
        return _response(refresh_token=token)

    def leave(self, reason: str, action: str = "DISCONNECT") -> bytes:
        """Ask the client to leave, and say what it should do next; LiveKit's own names for both."""
        leave = LeaveRequest(
            can_reconnect=action != "DISCONNECT",
            reason=reason,
            action=action,
        )
        return _response(leave=leave)


__all__ = ["SignalClient", "SignalServer", "SignalTarget"]
