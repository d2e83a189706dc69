"""Every use of a private member of aioice, and nothing else (livekit-signalling 5): checks, consent, restarts.

The package is pinned exactly; `tests/room/test_aiortc_repairs.py` fails when a name used here is gone.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import Any

import aioice.ice
import aioice.stun
import aioice.utils
from aiortc import RTCPeerConnection
from aiortc.sdp import SessionDescription

CONSENT_INTERVAL_S = 1.0
CONSENT_EXPIRY_S = 30.0  # RFC 7675 section 5.1
RESTART_INTERVAL_S = 0.1
HASTEN_S, HASTEN_INTERVAL_S = 2.0, 0.01

_host_addresses = aioice.ice.get_host_addresses


def install() -> None:
    """Apply the repairs that are global to the process; doing it again changes nothing."""
    aioice.ice.get_host_addresses = _host_addresses_or_loopback
    aioice.ice.Connection.query_consent = _query_consent  # type: ignore[method-assign]


def _host_addresses_or_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    # aioice never gathers loopback, so a host where only `lo` is up finds no candidate at all (5.3).
    return _host_addresses(use_ipv4, use_ipv6) or (["127.0.0.1"] if use_ipv4 else ["::1"])


async def _query_consent(self: Any) -> None:
    """Consent checks (RFC 7675) judged by the time since the last success, not by six short waits (5.7)."""
    _seen_alive(self)
    while True:
        await asyncio.sleep(CONSENT_INTERVAL_S * random.uniform(0.8, 1.2))
        for pair in self._nominated.values():
            try:
                await pair.protocol.request(
                    self.build_request(pair, nominate=False),
                    pair.remote_addr,
                    integrity_key=self.remote_password.encode(),
                    retransmissions=2,
                )
                _seen_alive(self)
            except aioice.stun.TransactionError:
                pass
        if time.monotonic() - max(self.boothd_alive_s, self.boothd_restarting_s) > CONSENT_EXPIRY_S:
            self._query_consent_task = None
            await self.close()
            return


def _seen_alive(connection: Any) -> None:
    """Note that the far end has answered a check."""
    connection.boothd_alive_s = time.monotonic()
    connection.boothd_restarting_s = getattr(connection, "boothd_restarting_s", -math.inf)


async def hasten_nomination(pc: RTCPeerConnection) -> None:
    """Check the pairs that work again and again until the controlling end has chosen one, for two seconds at most.

    pion, the controlling end of LiveKit's servers, chooses at once when a check comes on a pair of whose use it knows;
    the first one comes before it knows, and after that only its timer makes it look, every 200 ms. Extra checks on a
    valid pair are those of RFC 7675, begun early.
    """
    for _ in range(round(HASTEN_S / HASTEN_INTERVAL_S)):
        await asyncio.sleep(HASTEN_INTERVAL_S)
        connection = _ice_connection(pc)
        if connection is None or connection._nominated or pc.connectionState == "closed":
            return
        for pair in connection._check_list:
            if pair.state == aioice.ice.CandidatePair.State.SUCCEEDED:
                request = connection.build_request(pair, nominate=False)
                request.add_message_integrity(connection.remote_password.encode())
                pair.protocol.send_stun(request, pair.remote_addr)


def renew_credentials(pc: RTCPeerConnection) -> None:
    """Let the next offer announce an ICE restart (5.5): a server restarts its half when it sees new credentials."""
    connection = _ice_connection(pc)
    connection._local_username = aioice.utils.random_string(4)
    connection._local_password = aioice.utils.random_string(22)


async def follow_ice_restart(pc: RTCPeerConnection, sdp: str) -> bool:
    """Go on with the credentials of a remote description, on the sockets there are, until somebody answers (5.5).

    aiortc keeps the first ones for ever, and its connection stays "connected" and silent. Nothing is done for a
    description that restarts nothing, or before the first connection. False when another description has come
    meanwhile with credentials of its own: this one will never be answered. Consent does not expire on the way, so the
    caller has to give up some time.
    """
    connection = _ice_connection(pc)
    ice = SessionDescription.parse(sdp).media[0].ice
    assert ice is not None  # aiortc has taken this description
    if connection is None or connection.remote_username in (None, ice.usernameFragment):
        return True
    connection.remote_username, connection.remote_password = ice.usernameFragment, ice.password
    key, checks = str(ice.password).encode(), set[asyncio.Task[Any]]()
    try:
        # Not one after the other: each would wait for its answer when the path comes back.
        while connection.remote_username == ice.usernameFragment:
            connection.boothd_restarting_s = time.monotonic()
            for pair in connection._nominated.values():
                request = connection.build_request(pair, nominate=connection.ice_controlling)
                # The server learns our address from it, as a peer-reflexive candidate.
                check = pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=1)
                checks.add(asyncio.ensure_future(check))
            await asyncio.sleep(RESTART_INTERVAL_S)
            done = {check for check in checks if check.done()}
            checks -= done
            if None in [check.exception() for check in done]:  # a list, so that each one's is seen
                _seen_alive(connection)
                return True
        return False
    finally:
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)


def heard(pc: RTCPeerConnection) -> tuple[int, float]:
    """What the far end has let us know of itself: the packets that came (RTP, RTCP, data), and when it last answered a
    check of ours, in monotonic seconds."""
    connection = _ice_connection(pc)
    if connection is None:
        return 0, -math.inf
    transport: Any = pc.sctp.transport if pc.sctp is not None else None
    return transport._RTCDtlsTransport__rx_packets, getattr(connection, "boothd_alive_s", -math.inf)


def local_addresses(pc: RTCPeerConnection) -> frozenset[str]:
    """The addresses of this host that media goes by straight; empty when it goes by a relay, or by nothing yet."""
    connection = _ice_connection(pc)
    pairs = list(connection._nominated.values()) if connection is not None else []
    return frozenset(pair.local_candidate.host for pair in pairs if pair.local_candidate.type == "host")


async def answers(pc: RTCPeerConnection) -> bool:
    """Whether the far end answers a connectivity check now, within 1.5 s; False before the first connection."""
    connection = _ice_connection(pc)
    for pair in list(connection._nominated.values()) if connection is not None else []:
        request = connection.build_request(pair, nominate=False)
        key = connection.remote_password.encode()
        try:
            await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=1)
            return True
        except aioice.stun.TransactionError:
            pass
    return False


def _ice_connection(pc: RTCPeerConnection) -> Any:
    return pc.sctp.transport.transport._connection if pc.sctp is not None else None
