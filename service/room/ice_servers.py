"""Which of a room's STUN and TURN servers a peer connection uses.

STUN none: a LiveKit server learns our address from our checks, and one that cannot be reached costs five seconds
(livekit-signalling 5.3). TURN one, since aiortc takes no more, and by it goes only what finds no straight way: over UDP
where that answers, for there no packet waits for a lost one; over TLS where a network lets no UDP out; over plain TCP
when nothing else is offered. aioice checks the certificate of a TURN server against the system's authorities (or those
of SSL_CERT_FILE) and the host's name, and does without the server when it does not hold.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import cast

from aioice import stun
from aiortc import RTCIceServer
from livekit.protocol.rtc import JoinResponse

log = logging.getLogger(__name__)

# What aiortc understands (RFC 7065): no literal IPv6 address, no DTLS; anything else it takes for a bug of ours.
URL = re.compile(r"(turns?):([^?:\[\]]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?")
UDP, TLS, TCP = ORDER = ("udp", "tls", "tcp")
PORTS = {"turn": 3478, "turns": 5349}
ANSWER_S = 2.0


@dataclass(frozen=True, slots=True)
class _Turn:
    way: str
    host: str
    port: int
    server: RTCIceServer


async def reachable(join: JoinResponse, *, limit_s: float = ANSWER_S) -> list[RTCIceServer]:
    """The room's TURN servers that can be used: the one over UDP that answers first, then those that are not asked,
    over TLS and TCP; one URL each, the best first.

    aiortc tries the first alone, and for five seconds; without UDP these would be lost each time, and the rest unused.
    """
    turns = _turns(join)
    asked = {asyncio.ensure_future(_answer(turn)): turn.server for turn in turns if turn.way == UDP}
    try:
        if asked:
            await asyncio.wait(asked, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        answered = [server for task, server in asked.items() if task.done() and task.result() is None]
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    return answered + [turn.server for turn in turns if turn.way != UDP]


def _turns(join: JoinResponse) -> list[_Turn]:
    turns = []
    for server in join.ice_servers:
        for url in server.urls:
            found = URL.fullmatch(url)
            if found is not None and (found[1], found[4]) != ("turns", UDP):
                way = TLS if found[1] == "turns" else found[4] or UDP
                port = int(found[3] or PORTS[found[1]])
                turns.append(_Turn(way, found[2], port, RTCIceServer(url, server.username, server.credential)))
            elif url.startswith("turn"):
                log.debug("! a TURN server that cannot be used: %s", url)
    return sorted(turns, key=lambda turn: ORDER.index(turn.way))


async def _answer(turn: _Turn) -> None:
    """Returns when the server has answered over UDP, and never before."""
    loop = asyncio.get_running_loop()
    try:
        transport, question = await loop.create_datagram_endpoint(_Question, remote_addr=(turn.host, turn.port))
    except (OSError, UnicodeError):
        await asyncio.Event().wait()  # a name that nobody knows
        return
    try:
        await question.transaction.run()
    except stun.TransactionError:
        await asyncio.Event().wait()
    finally:
        transport.close()


class _Question(asyncio.DatagramProtocol):
    """A STUN binding request (RFC 8489), which every TURN server answers to anybody."""

    def __init__(self) -> None:
        self._request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        self.transaction = stun.Transaction(self._request, ("", 0), self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket knows where to."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def send_stun(self, message: stun.Message, addr: tuple[str, int]) -> None:
        """For the transaction, which asks again while nothing comes."""
        self._transport.sendto(bytes(message))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """An answer, perhaps to us."""
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        if message.transaction_id == self._request.transaction_id:
            self.transaction.response_received(message, addr)
