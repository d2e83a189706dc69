"""Message bytes <-> LiveKit data packets, sans-I/O (livekit-signalling 3.9)."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError
from livekit.protocol.models import DataPacket, UserPacket

# One lost SCTP fragment stalls the ordered channel for a second, and servers read 65 535 bytes at most.
MAX_PAYLOAD_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class DataMessage:
    """One user packet as it was received."""

    payload: bytes
    sender_identity: str
    sender_sid: str
    topic: str


class DataSender:
    """Wraps outgoing payloads; numbers the reliable ones 1, 2, 3… for the life of one participant SID."""

    def __init__(self) -> None:
        self._sequence = 0

    def wrap(self, payload: bytes, *, reliable: bool = True, to: str | None = None) -> bytes:
        """One data packet, to one identity or to all. Raises ValueError above `MAX_PAYLOAD_BYTES`."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a data message of {len(payload)} bytes is over the limit of {MAX_PAYLOAD_BYTES}")
        destinations = [] if to is None else [to]
        packet = DataPacket(
            kind=DataPacket.RELIABLE if reliable else DataPacket.LOSSY,
            # In both places, for old receivers.
            user=UserPacket(payload=payload, destination_identities=destinations),
            destination_identities=destinations,
        )
        if reliable:
            self._sequence += 1
            packet.sequence = self._sequence
        return packet.SerializeToString()


class DataReceiver:
    """Unwraps incoming packets and drops what was delivered before."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def unwrap(self, data: bytes) -> DataMessage | None:
        """The user packet in `data`; None for other kinds, for what cannot be read, and for a sequence not above the
        last one of its sender. Sequence 0 means that the server does not number."""
        try:
            packet = DataPacket.FromString(data)
        except DecodeError:
            return None
        if packet.WhichOneof("value") != "user":
            return None
        sid = packet.participant_sid or packet.user.participant_sid
        if packet.sequence:
            if packet.sequence <= self._last.get(sid, 0):
                return None
            self._last[sid] = packet.sequence
        identity = packet.participant_identity or packet.user.participant_identity
        return DataMessage(packet.user.payload, identity, sid, packet.user.topic)

    @property
    def last(self) -> dict[str, int]:
        """The last reliable sequence of each sender's SID."""
        return dict(self._last)

    def forget(self, sid: str) -> None:
        """The participant has gone."""
        self._last.pop(sid, None)


def relay(
    data: bytes, *, label_reliable: bool, sender_sid: str, sender_identity: str
) -> tuple[bytes, list[str]] | None:
    """The server's part: stamp the sender on a packet; with it the identities it is meant for (empty: all).

    None when it cannot be read.
    """
    try:
        packet = DataPacket.FromString(data)
    except DecodeError:
        return None
    packet.kind = DataPacket.RELIABLE if label_reliable else DataPacket.LOSSY
    packet.participant_sid, packet.participant_identity = sender_sid, sender_identity
    destinations = list(packet.destination_identities)
    if packet.WhichOneof("value") == "user":
        packet.user.participant_sid, packet.user.participant_identity = sender_sid, sender_identity
        destinations = destinations or list(packet.user.destination_identities)
    return packet.SerializeToString(), destinations
