"""Every use of a private member of aiortc but the way to its aioice, and nothing else (livekit-signalling 5).

The package is pinned exactly; `tests/room/test_aiortc_repairs.py` fails when a name used here is gone.
`install()` is called once, before the first connection exists.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import aioice.ice
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver, clock
from aiortc.codecs import CODECS
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import RTP_HISTORY_SIZE, RtpPacket
from aiortc.sdp import SessionDescription
from aiortc.utils import random32, uint16_add

from service.core.audio import EncodedFrame
from service.room import aioice_repairs, time_repairs
from service.room.nacks import PATIENCE_S, Nacks

OVERDUE_S = 0.025  # one that is 20 ms away has come before

_NEEDED = {
    RTCPeerConnection: ("_RTCPeerConnection__connect",),
    RTCRtpSender: ("_run_rtp",),
    RTCRtpReceiver: ("_send_rtcp_nack",),
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
    aioice_repairs.install()
    time_repairs.install()


def connect_again(pc: RTCPeerConnection) -> Awaitable[None]:
    """Start media that a later description announced while ICE or DTLS was still coming up (5.2). Idempotent."""
    return cast("Awaitable[None]", pc._RTCPeerConnection__connect())  # type: ignore[attr-defined]


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
    """Stands where aiortc's was: what is `missing` when `add` says so is asked for; while nothing comes, what is
    overdue by `send_nack`, for as long as it is `connected`. A re-used m-line brings a new SSRC, and with it a new
    stream."""

    def __init__(
        self, send_nack: Callable[[int, list[int]], Coroutine[Any, Any, None]], *, connected: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._send_nack, self._connected = send_nack, connected
        self._ssrc = -1
        self._nacks, self._packet_s = Nacks(), 0.0
        self._overdue_timer: asyncio.TimerHandle | None = None
        self._requesting: asyncio.Task[None] | None = None

    def add(self, packet: RtpPacket) -> bool:
        if packet.ssrc != self._ssrc:
            self._ssrc, self._nacks = packet.ssrc, Nacks()
        self._packet_s = time.monotonic()
        self.missing = set(self._nacks.received(packet.sequence_number, self._packet_s))
        if self._overdue_timer is not None:
            self._overdue_timer.cancel()
        self._overdue_timer = asyncio.get_running_loop().call_later(OVERDUE_S, self._ask_for_overdue)
        return bool(self.missing)

    def _ask_for_overdue(self) -> None:
        now_s = time.monotonic()
        if not self._connected():
            return
        if overdue := self._nacks.overdue(now_s):
            self._requesting = asyncio.ensure_future(self._send_nack(self._ssrc, overdue))
        if now_s - self._packet_s < PATIENCE_S:
            self._overdue_timer = asyncio.get_running_loop().call_later(OVERDUE_S, self._ask_for_overdue)


def tap(receiver: RTCRtpReceiver, push: Callable[[EncodedFrame], None]) -> None:
    """Give every packet of this receiver to `push`, on the event loop, in order of arrival; ask again for lost ones."""
    state: Any = receiver
    state._RTCRtpReceiver__jitter_buffer = _Tap(push)
    state._RTCRtpReceiver__nack_generator = _NackPerStream(
        state._send_rtcp_nack, connected=lambda: receiver.transport.state == "connected"
    )
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
