"""Row 41: the private members that the repairs stand on (livekit-signalling 5.11)."""

from __future__ import annotations

import aioice.ice
import pytest
from aiortc import RTCPeerConnection
from aiortc.codecs import CODECS

from service.room import aiortc_repairs


async def test_row_41_the_installed_libraries_have_them():
    pc = RTCPeerConnection()
    try:
        one = pc.addTransceiver("audio")
        dtls = one.sender.transport
        for owner, names in (
            (pc, ["_RTCPeerConnection__connect"]),
            (dtls._rtp_router, ["ssrc_table"]),
            (
                dtls.transport._connection,
                ["remote_username", "remote_password", "_local_username", "_local_password", "_nominated"]
                + ["build_request", "query_consent"],
            ),
            (one.receiver, ["_RTCRtpReceiver__jitter_buffer", "_RTCRtpReceiver__nack_generator"]),
            (one.sender, ["_track_id", "_stream_id"]),
        ):
            assert [name for name in names if not hasattr(owner, name)] == []
        assert CODECS["audio"][0].mimeType == "audio/opus"
    finally:
        await pc.close()


def test_row_41_without_one_the_start_fails_loudly(monkeypatch):
    monkeypatch.delattr(aioice.ice.Connection, "query_consent")
    with pytest.raises(Exception, match="query_consent"):
        aiortc_repairs.install()
