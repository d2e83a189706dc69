"""The seed's control URL: management messages over a WebSocket (palabra-api 3.1, 3.6). I/O only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp

from service.core.errors import Cause, CloudBusy, CloudUnreachable, LinkLost, Retryable, SessionLost

MESSAGE_LIMIT_BYTES = 4 * 1024 * 1024
RATE_LIMIT_BACK_OFF_S = 60.0
CLOSE_TIMEOUT_S = 0.2


class ManagementSocket:
    """An open management WebSocket; made by `connect`."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, *, ping_s: float, silence_s: float) -> None:
        self._ws = ws
        self._ping_s = ping_s
        self._silence_s = silence_s
        self._marks = self._passed = 0

    @property
    def marks_open(self) -> int:
        """How many of the marks the far end has not been seen to reach yet; 0 until it has been seen to reach one, for
        nothing works with a proxy that swallows pings if they count."""
        return self._marks - self._passed if self._passed else 0

    async def mark(self) -> None:
        """A ping behind all that was sent. Its pong shows how far the far end has read, which nothing else does:
        seconds of sound may lie in the buffers of kernels and proxies."""
        self._marks += 1
        await self._said(self._ws.ping(b"%d" % self._marks))

    async def messages(self) -> AsyncIterator[bytes]:
        """What the cloud says, until either side closes normally (1000). For one reader at a time.

        Pings when it has heard nothing for a while; so somebody has to read. Raises CloudBusy on 1008 (come back in
        60 s), CloudUnreachable on what is no message, LinkLost on silence or a broken connection, SessionLost on any
        other close.
        """
        silent_s = 0.0
        while True:
            try:
                message = await self._ws.receive(timeout=self._ping_s)
            except TimeoutError:
                silent_s += self._ping_s
                if silent_s >= self._silence_s:
                    text = f"the management socket was silent for {silent_s:g} s"
                    raise LinkLost(text, cause=Cause.NETWORK) from None
                await self._said(self._ws.ping())  # a broken one shows in the next receive
                continue
            silent_s = 0.0
            if message.type is aiohttp.WSMsgType.TEXT:
                yield message.data.encode("utf-8", "replace")
            elif message.type is aiohttp.WSMsgType.BINARY:
                yield message.data
            elif message.type is aiohttp.WSMsgType.PING:
                await self._said(self._ws.pong(message.data))
            elif message.type is aiohttp.WSMsgType.PONG:
                self._pass(bytes(message.data))
            else:
                break
        self._judge(message)

    async def send(self, message: bytes) -> None:
        """Send one message as text. Raises LinkLost when the socket is no longer open."""
        if self._ws.closed or not await self._said(self._ws.send_str(message.decode())):
            raise LinkLost("the management socket is closed", cause=Cause.NETWORK)

    def _pass(self, mark: bytes) -> None:
        # A pong answers the pings before it, too (RFC 6455 section 5.5.3). One that was not asked for says nothing.
        if mark.isdigit() and len(mark) < 10 and int(mark) <= self._marks:
            self._passed = max(self._passed, int(mark))

    async def _said(self, sending: Awaitable[None]) -> bool:
        try:
            await sending
        except (aiohttp.ClientError, OSError):
            return False
        return True

    def _judge(self, last: aiohttp.WSMessage) -> None:
        """Return when the end was an orderly one; the peer's own words are not repeated."""
        if last.type is aiohttp.WSMsgType.CLOSING or (last.type is aiohttp.WSMsgType.CLOSE and last.data == 1000):
            return
        if last.type is aiohttp.WSMsgType.CLOSE:
            if last.data == aiohttp.WSCloseCode.POLICY_VIOLATION:
                raise CloudBusy("the cloud closed the management socket (1008)", retry_after_s=RATE_LIMIT_BACK_OFF_S)
            raise SessionLost(f"the cloud closed the management socket ({last.data})")
        if last.type is aiohttp.WSMsgType.ERROR:
            raise CloudUnreachable(f"the management socket carried no message ({self._ws.close_code})")
        raise LinkLost("the management socket broke", cause=Cause.NETWORK)


@asynccontextmanager
async def connect(
    ws_url: str, token: str, *, open_timeout_s: float = 10.0, ping_s: float = 10.0, silence_s: float = 30.0
) -> AsyncIterator[ManagementSocket]:
    """Open the socket with a session's token; closed on exit, within a second.

    Raises SessionLost when the token is refused, CloudBusy on 429, else CloudUnreachable. The token is in no error,
    log or traceback.
    """
    url = f"{ws_url}{'&' if '?' in ws_url else '?'}token={quote(token, safe='')}"
    traces = aiohttp.TraceConfig()
    traces.on_request_redirect.append(_refuse_redirect)
    async with aiohttp.ClientSession(trace_configs=[traces], trust_env=True) as http:
        opened = await _open(http, url, open_timeout_s)
        if isinstance(opened, Retryable):
            raise opened  # here, where no library's error with the URL in it is its context
        try:
            yield ManagementSocket(opened, ping_s=ping_s, silence_s=silence_s)
        finally:
            await opened.close()


async def _open(
    http: aiohttp.ClientSession, url: str, open_timeout_s: float
) -> aiohttp.ClientWebSocketResponse | Retryable:
    try:
        async with asyncio.timeout(open_timeout_s):
            return await http.ws_connect(
                url,
                autoping=False,  # pongs count as signs of life
                max_msg_size=MESSAGE_LIMIT_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
            )
    except TimeoutError:
        return CloudUnreachable(f"the management socket did not open in {open_timeout_s:g} s")
    except aiohttp.WSServerHandshakeError as error:
        return _refusal(error)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return CloudUnreachable(f"the management socket did not open: {type(error).__name__}")


def _refusal(error: aiohttp.WSServerHandshakeError) -> Retryable:
    if error.status in (401, 403, 404):
        return SessionLost(f"the cloud refused the session's token at the management socket ({error.status})")
    text = f"the cloud refused the management socket ({error.status})"
    if error.status == 429:
        return CloudBusy(text, retry_after_s=RATE_LIMIT_BACK_OFF_S)
    return CloudUnreachable(text)


async def _refuse_redirect(*_: object) -> None:
    # aiohttp follows redirects of an upgrade; the commands of a session belong to the host the cloud named.
    raise aiohttp.ClientError
