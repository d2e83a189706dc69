"""A slow network between a client and a server's media: UDP relays that hold every datagram back."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable

from livekit.protocol.rtc import SignalRequest, SignalResponse

from tests.conformance.wire import Wire

Address = tuple[str, int]


class SlowPath:
    """Goes between by telling the client relays instead of the server's candidates; IPv4 and UDP only."""

    def __init__(self, wire: Wire, round_trip_s: float) -> None:
        self._delay_s = round_trip_s / 2
        self._relays: dict[Address, int] = {}
        self._transports: list[asyncio.DatagramTransport] = []
        self._opening: list[asyncio.Future[object]] = []
        wire.down, wire.up = self._down, without_our_candidates
        self.carried = 0

    async def close(self) -> None:
        """Close every relay."""
        await asyncio.gather(*self._opening)
        for transport in self._transports:
            transport.close()

    def _down(self, message: SignalResponse) -> Iterable[SignalResponse]:
        kind = message.WhichOneof("message")
        if kind == "trickle":
            init = json.loads(message.trickle.candidateInit)
            # A TCP candidate comes last and is harmless, and an end without a candidate would change nothing here.
            init["candidate"] = self._relayed(init["candidate"]) or init["candidate"]
            message.trickle.candidateInit = json.dumps(init)
        elif kind in ("offer", "answer"):
            description = getattr(message, kind)
            lines = description.sdp.split("\r\n")
            description.sdp = "\r\n".join(kept for line in lines if (kept := self._line(line)) is not None)
        return [message]

    def _line(self, line: str) -> str | None:
        if not line.startswith("a=candidate:"):
            return line
        candidate = self._relayed(line.removeprefix("a="))
        return f"a={candidate}" if candidate else None

    def _relayed(self, candidate: str) -> str:
        words = candidate.split()
        address = (words[4], int(words[5]))
        if words[2].lower() != "udp" or ":" in words[4]:
            return ""
        if address not in self._relays:
            self._relays[address] = self._open(address)
        words[4:6] = "127.0.0.1", str(self._relays[address])
        return " ".join(words)

    def _open(self, server: Address) -> int:
        front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        front.setblocking(False)
        front.bind(("127.0.0.1", 0))
        self._start(lambda: _Front(self, server), front)
        return int(front.getsockname()[1])

    def _start(self, protocol: object, one: socket.socket) -> None:
        async def opened() -> None:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(protocol, sock=one)
            self._transports.append(transport)

        self._opening.append(asyncio.ensure_future(opened()))

    def later(self, transport: asyncio.DatagramTransport, data: bytes, to: Address) -> None:
        """Send this after the delay of one way."""
        self.carried += 1

        def send() -> None:
            if not transport.is_closing():
                transport.sendto(data, to)

        asyncio.get_running_loop().call_later(self._delay_s, send)


class _Front(asyncio.DatagramProtocol):
    """Faces the clients of one server address."""

    def __init__(self, path: SlowPath, server: Address) -> None:
        self._path, self._server = path, server
        self._backs: dict[Address, _Back] = {}

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, client: Address) -> None:
        back = self._backs.get(client)
        if back is None:
            back = self._backs[client] = _Back(self._path, self, client)
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.setblocking(False)
            one.bind(("0.0.0.0", 0))
            self._path._start(lambda: back, one)
        back.forward(data, self._server)


class _Back(asyncio.DatagramProtocol):
    """Faces the server on behalf of one client."""

    def __init__(self, path: SlowPath, front: _Front, client: Address) -> None:
        self._path, self._front, self._client = path, front, client
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def forward(self, data: bytes, server: Address) -> None:
        """Towards the server; what comes before the socket is open is lost, as on any network."""
        if self._transport is not None:
            self._path.later(self._transport, data, server)

    def datagram_received(self, data: bytes, _: Address) -> None:
        self._path.later(self._front.transport, data, self._client)


def split_candidates(sdp: str) -> tuple[list[str], str]:
    """The candidates of a description, and the rest of it."""
    lines = sdp.split("\r\n")
    found = [line.removeprefix("a=") for line in lines if line.startswith("a=candidate:")]
    return found, "\r\n".join(line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates")))


def without_our_candidates(message: SignalRequest) -> Iterable[SignalRequest]:
    """The client's message without its addresses: the server learns them from checks alone."""
    kind = message.WhichOneof("message")
    if kind in ("offer", "answer"):
        description = getattr(message, kind)
        _, description.sdp = split_candidates(description.sdp)
    return [message]
