"""What one client of the embedded room hears: an m-line per track, offered one change after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from livekit.protocol.models import TrackInfo

from service.core.audio import EncodedFrame
from service.room import peers
from service.room.peers import OfferingPeer, Sending
from service.room.tracks import PacketQueue

ANSWER_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 20.0


class ForwardedTrack:
    """One published track and the queues of those who hear it."""

    def __init__(self, info: TrackInfo, publisher_sid: str) -> None:
        self.info, self.publisher_sid = info, publisher_sid
        self.listeners: dict[str, PacketQueue] = {}  # by the listener's SID

    def push(self, frame: EncodedFrame) -> None:
        """Forward one packet to every listener."""
        for queue in self.listeners.values():
            queue.push(frame)


class Downlink:
    """Offers over `send(sdp, mid_to_track_id)`. `peer` is closed by whoever made it."""

    def __init__(
        self,
        *,
        sid: str,
        peer: OfferingPeer,
        send: Callable[[str, dict[str, str]], None],
        fault: Callable[[str], bool],
    ) -> None:
        self._sid, self._peer, self._send, self._fault = sid, peer, send, fault
        peer.add_channels()
        self._sendings: dict[str, Sending] = {}  # track SID -> the m-line that carries it
        self._answer: asyncio.Future[str] | None = None
        self._wanted = asyncio.Event()

    async def open(self) -> None:
        """Offer data alone, and wait until the client is connected (livekit-signalling 6.2)."""
        await self._offer()
        if not self._fault("early-offer"):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._peer.connected.wait()

    async def run(self) -> None:
        """Offer whenever something has changed, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._offer()

    def hear(self, track: ForwardedTrack) -> None:
        """Carry this track from now on; to be told once."""
        sid = track.info.sid
        queue = track.listeners[self._sid] = PacketQueue()
        self._sendings[sid] = self._peer.add_track(queue, stream_id=f"{track.publisher_sid}|{sid}", track_id=sid)
        self._wanted.set()

    def unhear(self, track: ForwardedTrack) -> None:
        """The track is gone."""
        sending = self._sendings.pop(track.info.sid, None)
        if sending is not None:
            self._peer.remove_track(sending)
            self._wanted.set()

    def answered(self, sdp: str) -> None:
        """The client's answer to the latest offer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(sdp)

    async def _offer(self) -> None:
        self._answer = asyncio.get_running_loop().create_future()
        sdp = await self._peer.offer()
        by_mid = {mid: name for mid, name in peers.tracks_by_mid(sdp).items() if name in self._sendings}
        if self._fault("old-server"):
            sdp, by_mid = sdp.replace("a=msid-semantic:WMS *", "a=msid-semantic:WMS*"), {}
        self._send(sdp, by_mid)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer = await self._answer
        await self._peer.accept(answer)
