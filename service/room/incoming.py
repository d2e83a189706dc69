"""Whose sound it is: which m-line carries which track, and which sink takes it (livekit-signalling 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from livekit.protocol.models import ParticipantInfo

from service.core.audio import EncodedFrame
from service.core.ports import EncodedSink


@dataclass(frozen=True, slots=True)
class RemoteTrack:
    """A track of somebody else, as LiveKit describes it."""

    sid: str
    name: str
    participant_identity: str


SinkFor = Callable[[RemoteTrack], EncodedSink | None]


class Incoming:
    """Asks `sink_for` once for each track that comes to an m-line; None leaves it unheard."""

    def __init__(self, sink_for: SinkFor) -> None:
        self._sink_for = sink_for
        self._sids: dict[str, str] = {}  # mid -> track SID
        self._sinks: dict[str, tuple[str, EncodedSink | None]] = {}  # mid -> the SID it was asked for, and the sink

    @property
    def lines(self) -> int:
        """How many m-lines carry a track."""
        return len(self._sids)

    def offered(self, sids: dict[str, str]) -> None:
        """What the m-lines carry from now on: track SIDs by mid."""
        self._sids = sids

    def bind(self, participants: Iterable[ParticipantInfo]) -> None:
        """Give each m-line the sink of the track it carries now, as far as these are known to publish it."""
        tracks = {
            track.sid: RemoteTrack(track.sid, track.name, info.identity)
            for info in participants
            for track in info.tracks
        }
        for mid, sid in self._sids.items():
            if sid not in tracks:
                self._sinks.pop(mid, None)
            elif self._sinks.get(mid, ("", None))[0] != sid:
                self._sinks[mid] = (sid, self._sink_for(tracks[sid]))

    def push(self, mid: str, frame: EncodedFrame) -> None:
        """Take one packet of an m-line."""
        _, sink = self._sinks.get(mid, ("", None))
        if sink is not None:
            sink.push(frame)

    def close(self) -> None:
        """What is still on its way is for nobody."""
        self._sids, self._sinks = {}, {}
