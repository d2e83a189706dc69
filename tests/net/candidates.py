"""LiveKit signalling on its way through a relay: every UDP address becomes the relay's. Sans-I/O, both directions.

Only what is needed to keep media from passing the relay by: offers, answers and trickled candidates, also inside
`sync_state` and the `join_request` of `/rtc/v1`. TCP, IPv6 and `.local` candidates are dropped.
"""

from __future__ import annotations

import base64
import gzip
import ipaddress
import json
import re
from collections.abc import Callable, Iterator

from google.protobuf.message import DecodeError
from livekit.protocol.rtc import (
    JoinRequest,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    TrickleRequest,
    WrappedJoinRequest,
)

Address = tuple[str, int]
# (address, whether it is a TURN server's relayed one) -> the address to give instead
Alias = Callable[[Address, bool], Address]
BINARY_MESSAGE = 0x82  # unfragmented, which is all that LiveKit's ends send


def candidate(line: str, alias: Alias) -> str | None:
    """A candidate with the relay's address; None for one that the relay does not carry."""
    words = line.split()
    try:
        ipaddress.IPv4Address(words[4])
    except ValueError:
        return None
    if words[2].lower() != "udp":
        return None
    host, port = alias((words[4], int(words[5])), words[7] == "relay")
    return " ".join([*words[:4], host, str(port), *words[6:]])


def sdp(text: str, alias: Alias) -> str:
    """A description with the relay's addresses."""
    lines = (
        "a=" + (candidate(line[2:], alias) or "") if line.startswith("a=candidate:") else line
        for line in text.split("\r\n")
    )
    return "\r\n".join(line for line in lines if line != "a=")


def request(message: bytes, alias: Alias) -> bytes | None:
    """A client's message; None when nothing of it is left."""
    return _rewritten(SignalRequest.FromString(message), alias)


def response(message: bytes, alias: Alias) -> bytes | None:
    """A server's message, likewise."""
    return _rewritten(SignalResponse.FromString(message), alias)


def _rewritten(message: SignalRequest | SignalResponse, alias: Alias) -> bytes | None:
    if message.HasField("trickle") and not _trickle(message.trickle, alias):
        return None
    for description in _descriptions(message):
        description.sdp = sdp(description.sdp, alias)
    return message.SerializeToString()


def _trickle(trickle: TrickleRequest, alias: Alias) -> bool:
    """Whether there is anything left to be told."""
    init = json.loads(trickle.candidateInit or "{}")
    text = init.get("candidate")
    if not text:
        return True
    carried = candidate(text, alias)
    if carried is None and not trickle.final:
        return False
    # The end of candidates comes with the last of them, a TCP one as a rule, and the Rust SDK dies of an empty one.
    init["candidate"] = carried or _dead(text)
    trickle.candidateInit = json.dumps(init)
    return True


def _dead(line: str) -> str:
    """The candidate at a port where nobody listens: above those that the system gives out."""
    words = line.split()
    return " ".join([*words[:4], "127.0.0.1", "65535", *words[6:]])


def _descriptions(message: SignalRequest | SignalResponse | JoinRequest) -> Iterator[SessionDescription]:
    fields = {field.name for field, _ in message.ListFields()}
    for name in fields & {"offer", "answer", "publisher_offer"}:
        yield getattr(message, name)
    if "sync_state" in fields:
        yield from _descriptions(message.sync_state)


def request_head(head: bytes, alias: Alias) -> bytes:
    """A request up to its empty line, so that what follows can be read: no compression, one request a connection."""
    if b"upgrade: websocket" not in head.lower():
        return re.sub(rb"\r\nConnection:[^\r]*", b"", head, flags=re.IGNORECASE) + b"\r\nConnection: close"
    head = re.sub(rb"\r\nSec-WebSocket-Extensions:[^\r]*", b"", head, flags=re.IGNORECASE)
    return re.sub(rb"(?<=[?&]join_request=)[^& ]+", lambda found: _join_request(found[0], alias), head, count=1)


def _join_request(text: bytes, alias: Alias) -> bytes:
    padded = text.replace(b"%3D", b"=")
    wrapped = WrappedJoinRequest.FromString(base64.urlsafe_b64decode(padded + b"=" * (-len(padded) % 4)))
    zipped = wrapped.compression == WrappedJoinRequest.GZIP
    join = JoinRequest.FromString(gzip.decompress(wrapped.join_request) if zipped else wrapped.join_request)
    for description in _descriptions(join):
        description.sdp = sdp(description.sdp, alias)
    plain = join.SerializeToString()
    wrapped.join_request = gzip.compress(plain) if zipped else plain
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).replace(b"=", b"%3D")


class Stream:
    """One direction of an HTTP connection that may become a WebSocket: bytes in, bytes out, messages rewritten."""

    def __init__(self, *, head: Callable[[bytes], bytes], message: Callable[[bytes], bytes | None]) -> None:
        self._head, self._message = head, message
        self._waiting = b""
        self._state = "head"

    def feed(self, data: bytes) -> bytes:
        """What can go on now that this has come."""
        if self._state == "plain":
            return data
        self._waiting += data
        out = b""
        if self._state == "head":
            head, end, rest = self._waiting.partition(b"\r\n\r\n")
            if not end:
                return b""
            websocket = b"upgrade: websocket" in head.lower()
            self._state, self._waiting = ("frames", rest) if websocket else ("plain", b"")
            out = self._head(head) + end + (b"" if websocket else rest)
        while self._state == "frames" and (frame := self._frame()) is not None:
            out += frame
        return out

    def _frame(self) -> bytes | None:
        """The next whole WebSocket frame (RFC 6455 section 5.2), rewritten; None when it is not all there."""
        waiting = self._waiting
        if len(waiting) < 2:
            return None
        extra_bytes = {126: 2, 127: 8}.get(waiting[1] & 127, 0)
        start = 2 + extra_bytes + (4 if waiting[1] & 128 else 0)
        length = int.from_bytes(waiting[2 : 2 + extra_bytes]) if extra_bytes else waiting[1] & 127
        if len(waiting) < start + length:
            return None
        whole, self._waiting = waiting[: start + length], waiting[start + length :]
        if whole[0] != BINARY_MESSAGE:
            return whole
        payload = whole[start:]
        if whole[1] & 128:
            mask = (whole[start - 4 : start] * (length // 4 + 1))[:length]
            payload = (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(length)
        try:
            rewritten = self._message(payload)
        except (DecodeError, ValueError, IndexError):
            return whole  # nonsense is for the other end to judge
        return b"" if rewritten is None else _frame(rewritten, masked=bool(whole[1] & 128))


def _frame(payload: bytes, *, masked: bool) -> bytes:
    length, mask_bit = len(payload), 128 * masked
    if length < 126:
        size = bytes([mask_bit | length])
    elif length < 1 << 16:
        size = bytes([mask_bit | 126]) + length.to_bytes(2)
    else:
        size = bytes([mask_bit | 127]) + length.to_bytes(8)
    return bytes([BINARY_MESSAGE]) + size + bytes(4 * masked) + payload
