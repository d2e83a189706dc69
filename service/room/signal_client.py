"""The signalling WebSocket: I/O only (livekit-signalling 1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urlsplit, urlunsplit

import aiohttp

from service.core.errors import Cause, LinkLost, TokenRefused
from service.room.signal_protocol import PROTOCOL

log = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 15.0
VALIDATE_TIMEOUT_S = 3.0
CLOSE_TIMEOUT_S = 0.2  # aiohttp's 10 s would be waited for at the end of a session whose server is gone
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
SIGNAL_DISCONNECTED = 1  # LiveKit's ReconnectReason
# `go` below 2.4.0 keeps the server from moving us to ICE over TCP, which aioice cannot speak (1.4, 5.4).
QUERY = {"sdk": "go", "version": "1.0.0", "os": "linux", "protocol": str(PROTOCOL), "auto_subscribe": "1"}


def signal_url(base: str, path: str = "rtc") -> str:
    """The WebSocket URL of a LiveKit base URL: scheme mapped, path kept, exactly one slash before `path`."""
    parts = urlsplit(base)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/{path}", "", ""))


def validate_url(base: str) -> str:
    """Where a plain GET tells why a join was refused."""
    return signal_url(base, "rtc/validate").replace("ws", "http", 1)


@asynccontextmanager
async def connect(
    base_url: str, token: str, *, resume_sid: str | None = None
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """An open signalling socket, closed on exit; with our participant SID, one that resumes a session (4.2).

    The token goes in the Authorization header; after a 401 once in the query, for proxies that drop the header.
    Raises TokenRefused on 401 or 403, LinkLost on anything else. Neither carries the server's body: some versions
    repeat the token in it.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=OPEN_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http:
        try:
            socket = await _open(http, base_url, token, resume_sid, in_query=False)
        except TokenRefused:
            socket = await _open(http, base_url, token, resume_sid, in_query=True)
        try:
            yield socket
        finally:
            await socket.close()


async def _open(
    http: aiohttp.ClientSession, base_url: str, token: str, resume_sid: str | None, *, in_query: bool
) -> aiohttp.ClientWebSocketResponse:
    query = QUERY | ({"access_token": token} if in_query else {})
    if resume_sid is not None:
        query |= {"reconnect": "1", "sid": resume_sid, "reconnect_reason": str(SIGNAL_DISCONNECTED)}
    headers = {} if in_query else {"Authorization": f"Bearer {token}"}
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            return await http.ws_connect(
                f"{signal_url(base_url)}?{urlencode(query)}",
                headers=headers,
                max_msg_size=MAX_MESSAGE_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                autoping=True,
                heartbeat=None,  # the protocol has a ping of its own
            )
    except aiohttp.WSServerHandshakeError as refusal:
        status = refusal.status
    except (aiohttp.ClientError, OSError, TimeoutError) as problem:
        # `from None`: aiohttp's errors carry the URL, and the URL may carry the token.
        raise LinkLost(
            f"the room's signalling cannot be reached ({type(problem).__name__})", cause=Cause.NETWORK
        ) from None
    if status in (401, 403) or await _validate(http, base_url, token) in (401, 403):
        raise TokenRefused(f"the room refuses the token (HTTP {status})")
    # 400 and 404 say that there is nothing to join (1.6); a 5xx or 429 is the server's own trouble.
    cause = Cause.ROOM_GONE if status in (400, 404) else Cause.SERVICE
    raise LinkLost(f"the room refuses the connection (HTTP {status})", cause=cause)


async def _validate(http: aiohttp.ClientSession, base_url: str, token: str) -> int | None:
    """The status of `…/rtc/validate`; proxies that do not pass WebSockets hide it (1.6)."""
    try:
        async with asyncio.timeout(VALIDATE_TIMEOUT_S):
            headers = {"Authorization": f"Bearer {token}"}
            async with http.get(validate_url(base_url), headers=headers, allow_redirects=False) as response:
                return response.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
