"""The packets of one stream, RTP's counters unwrapped (RFC 3550; audio-path 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from service.core.audio import FRAME_SAMPLES, EncodedFrame

JUMP_PACKETS = 3000
JUMP_SAMPLES = JUMP_PACKETS * FRAME_SAMPLES


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; both counters go on where RTP's begin again."""

    sequence: int
    timestamp: int
    payload: bytes


class Order:
    """Where the stream has got to: its highest sequence number, and the timestamp of that packet."""

    def __init__(self, first: EncodedFrame) -> None:
        self.sequence, self.timestamp = first.sequence - 1, first.timestamp

    def packet(self, frame: EncodedFrame) -> Packet | None:
        """The same with its counters unwrapped; None for counters that one sender cannot have produced: the port does
        not carry the SSRC."""
        ahead = _step(self.sequence, frame.sequence, 16)
        later = _step(self.timestamp, frame.timestamp, 32)
        if abs(ahead) > JUMP_PACKETS or later < -JUMP_SAMPLES or ahead * later < 0:
            return None
        return Packet(self.sequence + ahead, self.timestamp + later, frame.payload)

    def advance(self, packet: Packet) -> bool:
        """Whether it is the newest so far."""
        newest = packet.sequence > self.sequence
        if newest:
            self.sequence, self.timestamp = packet.sequence, packet.timestamp
        return newest


def _step(known: int, wrapped: int, bits: int) -> int:
    """The signed distance from an unwrapped counter to a wrapped value (RFC 1982)."""
    half = 1 << (bits - 1)
    return (wrapped - known + half) % (1 << bits) - half
