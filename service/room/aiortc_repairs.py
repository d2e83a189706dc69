"""Every use of a private member of aiortc or aioice, and nothing else (livekit-signalling 5).

Both packages are pinned exactly; `tests/room/test_aiortc_repairs.py` fails when a name used here is gone.
`install()` is called once, before the first connection exists.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aioice.ice
import aioice.stun
import aioice.utils
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver, clock
from aiortc.codecs import CODECS
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import RTP_HISTORY_SIZE, RtpPacket
from aiortc.sdp import SessionDescription
from aiortc.utils import random32, uint16_add

from service.core.audio import EncodedFrame
from service.room.nacks import Nacks

CONSENT_INTERVAL_S = 1.0
CONSENT_EXPIRY_S = 30.0  # RFC 7675 section 5.1
RESTART_INTERVAL_S = 0.1
HASTEN_S, HASTEN_INTERVAL_S = 2.0, 0.01

_host_addresses = aioice.ice.get_host_addresses


_NEEDED = {
    RTCPeerConnection: ("_RTCPeerConnection__connect",),
    RTCRtpSender: ("_run_rtp",),
    aioice.ice.Connection: ("query_consent", "build_request"),
    aioice.ice: ("get_host_addresses",),
}


def install() -> None:
    """Apply the repairs that are global to the process; doing it again changes nothing.

    Raises RuntimeError when the installed libraries are not the ones that these repairs were written for.
    """
    missing = [name for owner, names in _NEEDED.items() for name in names if not hasattr(owner, name)]
    if missing:
        raise RuntimeError(f"aiortc or aioice has no {', '.join(missing)}: install the versions that are pinned")
    opus = CODECS["audio"][0]
    if not any(feedback.type == "nack" for feedback in opus.rtcpFeedback):
        # Offer and answer retransmission and say that FEC is welcome (5.8, audio-path 3.2).
        opus.rtcpFeedback.append(RTCRtcpFeedback(type="nack"))
        opus.parameters.update(minptime=10, useinbandfec=1)
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


def connect_again(pc: RTCPeerConnection) -> Awaitable[None]:
    """Start media that a later description announced while ICE or DTLS was still coming up (5.2). Idempotent."""
    return cast("Awaitable[None]", pc._RTCPeerConnection__connect())  # type: ignore[attr-defined]


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


def name_track(sender: RTCRtpSender, *, stream_id: str, track_id: str) -> None:
    """Set both tokens of the next description's `a=msid` line for this sender."""
    sender._stream_id = stream_id
    sender._track_id = track_id


def renew_ssrc(sender: RTCRtpSender) -> None:
    """Give the sender a new SSRC: a new track on a re-used m-line is a new RTP stream (RFC 3550 section 8)."""
    senders = sender.transport._rtp_router.senders
    senders.pop(sender._ssrc, None)
    sender._ssrc = random32()
    senders[sender._ssrc] = sender
    sender._RTCRtpSender__rtp_history.clear()  # type: ignore[attr-defined]


def send_frames(sender: RTCRtpSender, read: Callable[[], Awaitable[EncodedFrame]]) -> None:
    """Make the sender packetise what `read` gives, one RTP packet per frame.

    Timestamps go out as they are. Sequence numbers keep their gaps and their order, shifted once so that the first
    one lies in the lower half of the range: a receiver that misses the first packets would otherwise guess the SRTP
    roll-over counter wrong. Retransmission and RTCP reports work as aiortc has them. Must be called before the
    connection starts the sender. `read` is cancelled when the sender stops.
    """

    async def run(codec: RTCRtpCodecParameters) -> None:
        state: Any = sender
        state._RTCRtpSender__rtp_started.set()
        ssrc, shift = None, 0
        try:
            while True:
                frame = await read()
                if ssrc != sender._ssrc:
                    ssrc, shift = sender._ssrc, random.randrange(32768) - frame.sequence
                await _send_packet(sender, codec, frame, uint16_add(frame.sequence, shift))
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            # RTCRtpSender.stop() waits for this for ever.
            state._RTCRtpSender__rtp_exited.set()

    sender._run_rtp = run  # type: ignore[method-assign]


async def _send_packet(sender: RTCRtpSender, codec: RTCRtpCodecParameters, frame: EncodedFrame, sequence: int) -> None:
    state: Any = sender
    packet = RtpPacket(payload_type=codec.payloadType or 0, sequence_number=sequence, timestamp=frame.timestamp)
    packet.ssrc = sender._ssrc
    packet.payload = frame.payload
    packet.extensions.mid = state._RTCRtpSender__mid
    state._RTCRtpSender__rtp_history[sequence % RTP_HISTORY_SIZE] = packet
    await sender.transport._send_rtp(packet.serialize(state._RTCRtpSender__rtp_header_extensions_map))
    state._RTCRtpSender__ntp_timestamp = clock.current_ntp_time()
    state._RTCRtpSender__rtp_timestamp = packet.timestamp
    state._RTCRtpSender__octet_count += len(packet.payload)
    state._RTCRtpSender__packet_count += 1


class _Tap:
    """Stands where a receiver's jitter buffer was: hands every packet on and gives the decoder nothing (5.8)."""

    def __init__(self, push: Callable[[EncodedFrame], None]) -> None:
        self._push = push

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        payload = bytes(packet._data)  # type: ignore[attr-defined]
        self._push(EncodedFrame(packet.sequence_number, packet.timestamp, payload))
        return False, None


class _NackPerStream(NackGenerator):
    """Stands where aiortc's was: what is `missing` when `add` says so is asked for. A re-used m-line brings a new SSRC,
    and with it a new stream."""

    def __init__(self) -> None:
        super().__init__()
        self._ssrc: int | None = None
        self._nacks = Nacks()

    def add(self, packet: RtpPacket) -> bool:
        if packet.ssrc != self._ssrc:
            self._ssrc, self._nacks = packet.ssrc, Nacks()
        self.missing = set(self._nacks.received(packet.sequence_number, time.monotonic()))
        return bool(self.missing)


def tap(receiver: RTCRtpReceiver, push: Callable[[EncodedFrame], None]) -> None:
    """Give every packet of this receiver to `push`, on the event loop, in order of arrival; ask again for lost ones."""
    state: Any = receiver
    state._RTCRtpReceiver__jitter_buffer = _Tap(push)
    state._RTCRtpReceiver__nack_generator = _NackPerStream()
    state._RTCRtpReceiver__decoder_queue.put(None)  # so its decoder's thread, one for each m-line, ends at once


def point_ssrcs(transceivers: list[RTCRtpTransceiver], sdp: str) -> None:
    """Point the SSRCs of each audio section of a remote description at that section's receiver (5.1).

    Without it a track on a re-used m-line is silent for ever once there are two receivers.
    """
    by_mid = {transceiver.mid: transceiver for transceiver in transceivers}
    for media in SessionDescription.parse(sdp).media:
        transceiver = by_mid.get(media.rtp.muxId)
        if media.kind != "audio" or transceiver is None:
            continue
        table = transceiver.receiver.transport._rtp_router.ssrc_table
        for ssrc in [ssrc for ssrc, receiver in table.items() if receiver is transceiver.receiver]:
            del table[ssrc]
        if media.direction in ("sendrecv", "sendonly"):
            table.update({source.ssrc: transceiver.receiver for source in media.ssrc})


def packets_sent(pc: RTCPeerConnection) -> int:
    """RTP packets sent on this connection so far."""
    counts = [transceiver.sender._RTCRtpSender__packet_count for transceiver in pc.getTransceivers()]  # type: ignore[attr-defined]
    return sum(counts)
