"""The two kinds of peer connection, each an RTCPeerConnection with one offerer for life.

    OfferingPeer    we offer:  the client's publisher,  the server's subscriber
    AnsweringPeer   they offer: the client's subscriber, the server's publisher

So client and server are made of the same two parts (livekit-signalling 3.2, 6.2).
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.sdp import SessionDescription, candidate_from_sdp

from service.core.audio import EncodedFrame
from service.core.ports import EncodedSource
from service.room import aioice_repairs, aiortc_repairs

log = logging.getLogger(__name__)

RELIABLE, LOSSY = "_reliable", "_lossy"
CLOSE_TIMEOUT_S = 5.0
HELD_MESSAGES = 100
_closing: set[asyncio.Task[None]] = set()

T = TypeVar("T")


class _Peer:
    """What both kinds share: one connection, its state, its candidates, its end."""

    def __init__(self, *, ice_servers: list[RTCIceServer], changed: Callable[[str], None]) -> None:
        # Never None: aiortc would then ask a public STUN server (livekit-signalling 5.3).
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=ice_servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.connected = asyncio.Event()
        self._changed = changed
        self._tasks: set[asyncio.Future[None]] = set()
        self._described = False
        self._early_candidates: list[tuple[str, bool]] = []
        self._describing: set[asyncio.Future[Any]] = set()
        self._packets, self._heard_s = 0, -math.inf
        self.pc.on("connectionstatechange", self._on_state)

    def _on_state(self) -> None:
        state = self.pc.connectionState
        if state == "connected":
            self.connected.set()
            again = asyncio.ensure_future(aiortc_repairs.connect_again(self.pc))
            self._tasks.add(again)
            again.add_done_callback(self._tasks.discard)
        self._changed(state)

    async def add_candidate(self, candidate_init: str, *, final: bool) -> None:
        """Take one trickled candidate (browser JSON), also before the remote description. Bad ones are ignored."""
        if not self._described:
            self._early_candidates.append((candidate_init, final))
            return
        try:
            init = json.loads(candidate_init or "{}")
            text = init.get("candidate") or ""
            if text:
                candidate = candidate_from_sdp(text.removeprefix("candidate:"))
                candidate.sdpMid = init.get("sdpMid")
                candidate.sdpMLineIndex = init.get("sdpMLineIndex")
                await self.pc.addIceCandidate(candidate)
            if final:
                await self.pc.addIceCandidate(None)
        except (ValueError, AttributeError, AssertionError, IndexError) as problem:
            log.debug("< a candidate that cannot be read: %s", type(problem).__name__)

    async def _release_candidates(self) -> None:
        self._described = True
        early, self._early_candidates = self._early_candidates, []
        for candidate_init, final in early:
            await self.add_candidate(candidate_init, final=final)

    def silent_s(self, now_s: float) -> float:
        """For how long nothing has been heard of the far end, as far as earlier calls can tell; 0 until connected."""
        packets, answered_s = aioice_repairs.heard(self.pc)
        if packets != self._packets:
            self._packets, self._heard_s = packets, now_s
        return max(0.0, now_s - max(self._heard_s, answered_s)) if self.connected.is_set() else 0.0

    async def answers(self) -> bool:
        """Whether the far end of the connection answers now."""
        return await aioice_repairs.answers(self.pc)

    async def restarted(self, sdp: str) -> bool:
        """Follow the ICE restart that a remote description announces, if it does; False when another one overtakes it.

        It returns only when the far end answers: whoever waits has to give up some time.
        """
        return await aioice_repairs.follow_ice_restart(self.pc, sdp)

    async def _whole(self, describing: Coroutine[Any, Any, T]) -> T:
        """Describe to the end, also when whoever waits is cancelled: closed while it gathers, aiortc leaks sockets."""
        task = asyncio.ensure_future(describing)
        self._describing.add(task)
        task.add_done_callback(self._described_whole)
        return await asyncio.shield(task)

    def _described_whole(self, task: asyncio.Future[Any]) -> None:
        self._describing.discard(task)
        if not task.cancelled():
            task.exception()  # seen, whether or not anybody still waits

    def close(self) -> None:
        """Close in the background: with the network gone it can take seconds (livekit-signalling 5.10)."""

        async def bounded() -> None:
            if self._describing:
                await asyncio.wait(self._describing, timeout=CLOSE_TIMEOUT_S)
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.pc.close()
            except TimeoutError:
                log.debug("a peer connection did not close within %g s", CLOSE_TIMEOUT_S)

        task = asyncio.ensure_future(bounded())
        _closing.add(task)
        task.add_done_callback(_closing.discard)


async def closed() -> None:
    """Wait until every peer connection that was closed on this event loop is gone; each within twice the time-out."""
    loop = asyncio.get_running_loop()
    while closing := [task for task in _closing if task.get_loop() is loop]:
        await asyncio.wait(closing)


class Sending:
    """One track that we send: an m-line of an OfferingPeer and what it carries at present."""

    def __init__(self, transceiver: RTCRtpTransceiver) -> None:
        self.transceiver = transceiver
        self._source: EncodedSource | None = None
        self._muted = False
        self._given = asyncio.Event()
        self._reading: asyncio.Future[EncodedFrame] | None = None
        aiortc_repairs.send_frames(transceiver.sender, self._read)

    @property
    def free(self) -> bool:
        """Whether the m-line carries nothing and can be used again."""
        return self._source is None

    def carry(self, source: EncodedSource | None) -> None:
        """Send what `source` gives from now on; None frees the m-line."""
        self._source, self._muted = source, False
        self._look_again()

    def mute(self, on: bool) -> None:
        """Send nothing, or go on; what the source gives meanwhile is its own affair."""
        self._muted = on
        self._look_again()

    def _look_again(self) -> None:
        self._given.set()
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> EncodedFrame:
        while True:
            self._given.clear()
            if self._source is None or self._muted:
                await self._given.wait()
                continue
            self._reading = asyncio.ensure_future(self._source.read())
            try:
                return await self._reading
            except asyncio.CancelledError:
                if not self._given.is_set():
                    raise  # it is us who are cancelled, not the read of a source that was taken away


class OfferingPeer(_Peer):
    """We offer, they answer. One outstanding offer at a time: the caller holds `negotiation` from offer to answer."""

    def __init__(self, *, ice_servers: list[RTCIceServer], changed: Callable[[str], None]) -> None:
        super().__init__(ice_servers=ice_servers, changed=changed)
        self.negotiation = asyncio.Lock()
        self._sendings: list[Sending] = []
        self._channels: dict[str, RTCDataChannel] = {}
        self._open = {RELIABLE: asyncio.Event(), LOSSY: asyncio.Event()}
        # Full while the far end is still coming up: the oldest message is the least useful.
        self._held: deque[bytes] = deque(maxlen=HELD_MESSAGES)

    def add_channels(self, on_data: Callable[[str, bytes], None] | None = None) -> None:
        """Create `_reliable` (ordered) and `_lossy` (unordered, no retransmission) in-band (livekit-signalling 3.9)."""
        for label, options in ((RELIABLE, {}), (LOSSY, {"ordered": False, "maxRetransmits": 0})):
            channel = self.pc.createDataChannel(label, **options)  # type: ignore[arg-type]
            channel.on("open", partial(self._on_open, label))
            if on_data is not None:
                _listen(channel, on_data)
            self._channels[label] = channel

    def _on_open(self, label: str) -> None:
        self._open[label].set()
        while label == RELIABLE and self._held:
            self.send_data(label, self._held.popleft())

    def deliver(self, data: bytes) -> None:
        """Send on the reliable channel, now or as soon as it opens."""
        if not self.send_data(RELIABLE, data):
            self._held.append(data)

    async def channel_open(self) -> None:
        """Wait until the reliable channel can carry data."""
        await self._open[RELIABLE].wait()

    def send_data(self, label: str, data: bytes) -> bool:
        """Send on one channel; False when it is not open. Raises ValueError above the far end's size limit."""
        channel = self._channels.get(label)
        if channel is None or channel.readyState != "open":
            return False
        channel.send(data)
        return True

    def add_track(self, source: EncodedSource, *, stream_id: str, track_id: str) -> Sending:
        """Carry `source` on a free m-line or a new one; an offer has to follow."""
        for sending in self._sendings:
            if sending.free:
                sending.transceiver.direction = "sendonly"
                aiortc_repairs.renew_ssrc(sending.transceiver.sender)
                break
        else:
            sending = Sending(self.pc.addTransceiver("audio", direction="sendonly"))
            self._sendings.append(sending)
        aiortc_repairs.name_track(sending.transceiver.sender, stream_id=stream_id, track_id=track_id)
        sending.carry(source)
        return sending

    def remove_track(self, sending: Sending) -> None:
        """Stop carrying; an offer has to follow, and frees the m-line."""
        sending.carry(None)
        sending.transceiver.direction = "inactive"

    def channel_ids(self) -> dict[str, int]:
        """The stream ids of our data channels, by label."""
        return {label: channel.id for label, channel in self._channels.items() if channel.id is not None}

    async def offer(self, *, restart: bool = False) -> str:
        """The SDP of the next offer, candidates included; it may announce an ICE restart."""
        return await self._whole(self._offer(restart))

    async def _offer(self, restart: bool) -> str:
        if restart:
            aioice_repairs.renew_credentials(self.pc)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def accept(self, sdp: str) -> None:
        """Apply the answer. Raises ValueError or aiortc's errors when it does not fit."""
        await self._whole(self._accept(sdp))

    async def _accept(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
        await self._release_candidates()


class AnsweringPeer(_Peer):
    """They offer, we answer. Packets of every m-line come to `on_packet(mid, frame)` in order of arrival."""

    def __init__(
        self,
        *,
        ice_servers: list[RTCIceServer],
        changed: Callable[[str], None],
        on_packet: Callable[[str, EncodedFrame], None],
        on_data: Callable[[str, bytes], None],
    ) -> None:
        super().__init__(ice_servers=ice_servers, changed=changed)
        self._on_packet = on_packet
        self._tapped: set[str] = set()
        self._hastening: asyncio.Task[None] | None = None
        self.pc.on("datachannel", lambda channel: _listen(channel, on_data))
        self._lock = asyncio.Lock()

    async def answer(self, sdp: str) -> tuple[str, dict[str, str]]:
        """Apply one offer completely; the answer's SDP, and the track named by each sending audio m-line, by mid.

        The name is the second token of the m-line's own `a=msid`: the track SID from a server, the cid from a client.
        aiortc's own track id cannot be trusted (livekit-signalling 5.1).
        """
        return await self._whole(self._answer(sdp))

    async def _answer(self, sdp: str) -> tuple[str, dict[str, str]]:
        async with self._lock:
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
            await self._release_candidates()
            for transceiver in self.pc.getTransceivers():
                mid = transceiver.mid
                if transceiver.kind == "audio" and mid is not None and mid not in self._tapped:
                    self._tapped.add(mid)
                    aiortc_repairs.tap(transceiver.receiver, partial(self._on_packet, mid))
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            if self._hastening is None:
                self._hastening = asyncio.ensure_future(aioice_repairs.hasten_nomination(self.pc))
            aiortc_repairs.point_ssrcs(self.pc.getTransceivers(), sdp)
            return self.pc.localDescription.sdp, tracks_by_mid(sdp)


def tracks_by_mid(sdp: str) -> dict[str, str]:
    """The track id of each audio m-line that sends, by mid."""
    return {
        media.rtp.muxId: media.msid.split()[-1]
        for media in SessionDescription.parse(sdp).media
        if media.kind == "audio" and media.direction in ("sendrecv", "sendonly") and media.msid
    }


def _listen(channel: RTCDataChannel, on_data: Callable[[str, bytes], None]) -> None:
    def heard(message: bytes | str) -> None:
        on_data(channel.label, message if isinstance(message, bytes) else message.encode())

    channel.on("message", heard)
