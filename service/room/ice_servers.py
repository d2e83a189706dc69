"""Which of a room's STUN and TURN servers a peer connection uses."""

from __future__ import annotations

from aiortc import RTCIceServer
from livekit.protocol.rtc import JoinResponse


def ice_servers(join: JoinResponse) -> list[RTCIceServer]:
    """Nothing but TURN, one URL: a LiveKit server learns our address from our checks, and STUN servers that cannot be
    reached cost five seconds (livekit-signalling 5.3)."""
    for server in join.ice_servers:
        for url in server.urls:
            if url.startswith(("turn:", "turns:")):
                return [RTCIceServer(urls=[url], username=server.username, credential=server.credential)]
    return []
