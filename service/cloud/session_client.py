"""The session endpoint over HTTPS: create on the way in, delete on every way out (palabra-api 1.1-1.4)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from service.core.errors import Cause, CloudUnreachable, FaultCode, ServiceError
from service.core.ports import OpenSessions
from service.core.problems import error_for, parse_problems, retry_after_s
from service.core.redaction import forms
from service.core.session import (
    ENCRYPTED,
    MINIMAL_BODY,
    Credentials,
    Session,
    SessionRequest,
    claims,
    created_id,
    owner_of,
    parse_created,
)

_LOG = logging.getLogger(__name__)

_MAX_BODY_BYTES = 1 << 20
_CLOCK_VERDICTS = (9, 10)  # OpenSSL's "not yet valid" and "expired"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes = field(repr=False)
    retry_after: str | None


class SessionClient:
    """Creates and deletes sessions; promises `core.ports.Sessions`.

    `timeout_s` bounds one request with its whole answer, `connect_timeout_s` its connection. A stop while the answer
    is in flight waits `in_flight_wait_s` for it, so that the session can be deleted; a DELETE takes `delete_timeout_s`
    at most and is tried once. Redirects are never followed. `kept` hears of every session, and says what an earlier
    process left open. `learn` is told the ids and tokens that must appear in no text.
    """

    def __init__(
        self,
        *,
        base_url: str,
        credentials: Credentials,
        request: SessionRequest,
        timeout_s: float = 10.0,
        connect_timeout_s: float = 5.0,
        in_flight_wait_s: float = 1.0,
        delete_timeout_s: float = 5.0,
        kept: OpenSessions | None = None,
        learn: Callable[[Iterable[str]], None] = lambda secrets: None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._kept, self._owner = kept, owner_of(credentials)
        self._learn, self._secrets = learn, forms(credentials.secrets())
        self._base_url = URL(base_url)
        self._credentials = credentials
        self._request = request
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._in_flight_wait_s = in_flight_wait_s
        self._delete_timeout_s = delete_timeout_s
        self._now_s = now_s

    async def tidy(self) -> None:
        """Delete what an earlier process left open. Takes little time and raises nothing; before the first `open`."""
        left = {} if self._kept is None else self._kept.left_over()
        self._learn(left)
        ours = [session_id for session_id, owner in left.items() if owner == self._owner]
        for session_id in left.keys() - ours:
            _LOG.warning("a session that was left open belongs to other credentials and is left to lapse")
            self._closed(session_id)
        if ours:
            _LOG.warning("a session that an earlier process left open is deleted first")
            await asyncio.gather(*map(self._delete, ours))

    @asynccontextmanager
    async def open(self, *, publisher_can_subscribe: bool = False) -> AsyncIterator[Session]:
        """A new session; deleted on every way out. Raises Retryable or NeedsPerson."""
        wish = replace(self._request, publisher_can_subscribe=True) if publisher_can_subscribe else self._request
        answer = await self._create(wish)
        session_id = created_id(answer.body)
        if session_id is not None:
            self._learn([session_id])
        if session_id is not None and self._kept is not None:
            self._kept.opened(session_id, self._owner)
        try:
            session = parse_created(
                answer.status,
                answer.body,
                encrypted_only=self._base_url.scheme in ENCRYPTED,
                secrets=self._secrets,
            )
            self._learn([session.publisher, *session.subscribers])
            if session_id is None:
                _LOG.warning("the cloud named no session id: the session cannot be deleted and is left to lapse")
            _LOG.info("session created; its token says %s", _rights(session.publisher))
            yield session
        finally:
            if session_id is not None:
                await self._delete(session_id)

    def _closed(self, session_id: str) -> None:
        if self._kept is not None:
            self._kept.closed(session_id)

    async def _create(self, wish: SessionRequest) -> _Answer:
        post = asyncio.create_task(self._post_with_fallback(wish))
        try:
            return await asyncio.shield(post)
        except asyncio.CancelledError:
            await self._give_back(post)
            raise

    async def _give_back(self, post: asyncio.Task[_Answer]) -> None:
        """Stopped while the answer is in flight: delete the session if it still comes in time."""
        try:
            await asyncio.wait({post}, timeout=self._in_flight_wait_s)
            if not post.done():
                _LOG.warning("stopped while a session was being created: if the cloud made one, it is left to lapse")
            elif not post.cancelled() and post.exception() is None:
                session_id = created_id(post.result().body)
                if session_id is not None:
                    await self._delete(session_id)
        finally:
            post.cancel()

    async def _post_with_fallback(self, wish: SessionRequest) -> _Answer:
        """A 2xx answer. A refused body is followed once by the smallest that is known to work (palabra-api 1.4)."""
        answer = await self._post(wish.body())
        if answer.status in (400, 422):
            _LOG.warning("%s; trying the smallest request", self._refusal(answer))
            answer = await self._post(MINIMAL_BODY)
        if not 200 <= answer.status < 300:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: _Answer) -> ServiceError:
        return error_for(
            answer.status,
            parse_problems(answer.status, answer.body, secrets=self._secrets),
            retry_after_s(answer.retry_after, self._now_s()),
        )

    async def _post(self, body: dict[str, Any]) -> _Answer:
        return await self._ask("POST", "session", body=body, timeout_s=self._timeout_s)

    async def _delete(self, session_id: str) -> None:
        delete = asyncio.create_task(self._delete_once(session_id))
        try:
            await asyncio.shield(delete)
        except asyncio.CancelledError:
            await asyncio.wait({delete})  # bounded by its own time limit
            raise
        finally:
            delete.cancel()
            self._closed(session_id)

    async def _delete_once(self, session_id: str) -> None:
        path = f"sessions/{quote(session_id, safe='')}"
        try:
            answer = await self._ask("DELETE", path, body=None, timeout_s=self._delete_timeout_s)
        except CloudUnreachable as error:
            _LOG.warning("the session could not be deleted and is left to lapse: %s", error)
            return
        if answer.status != 404 and not 200 <= answer.status < 300:
            _LOG.warning("the session could not be deleted (%d) and is left to lapse", answer.status)

    async def _ask(self, method: str, path: str, *, body: dict[str, Any] | None, timeout_s: float) -> _Answer:
        """One request on a connection of its own: two per session are not worth keeping one open."""
        url = self._base_url.joinpath("session-storage", *path.split("/"), encoded=True)
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, self._connect_timeout_s))
        headers = {**self._credentials.headers(), "Accept-Encoding": "identity"}
        try:
            async with (
                # Not unpacking keeps the limit on the body a limit on memory.
                aiohttp.ClientSession(timeout=timeout, auto_decompress=False, trust_env=True) as http,
                http.request(method, url, json=body, headers=headers, allow_redirects=False) as answer,
            ):
                content = await _read_bounded(answer.content)
                return _Answer(answer.status, content, answer.headers.get("Retry-After"))
        except (aiohttp.ClientError, OSError) as error:
            failure = _translated(error, url.host or "", timeout_s)
        # Raised out here without its cause: aiohttp's errors carry the request, headers and all.
        raise failure


async def _read_bounded(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise CloudUnreachable(f"the cloud's answer is larger than {_MAX_BODY_BYTES} bytes")
    return bytes(body)


def _rights(token: str) -> str:
    """What a token allows, as far as it can be read: for the log."""
    video = (claims(token) or {}).get("video")
    if not isinstance(video, dict):
        return "nothing readable"
    return ", ".join(
        f"{name}={video.get(name) is not False}" for name in ("canPublish", "canSubscribe", "canPublishData")
    )


def _translated(error: Exception, host: str, timeout_s: float) -> CloudUnreachable:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate_error(error.certificate_error, host)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return CloudUnreachable(f"the name {host} cannot be resolved")
    if isinstance(error, aiohttp.ClientSSLError):
        return CloudUnreachable(f"no encrypted connection to {host}: its TLS cannot be agreed on")
    if isinstance(error, TimeoutError):
        return CloudUnreachable(f"{host} gave no complete answer within {timeout_s:g} s")
    if isinstance(error, aiohttp.ClientConnectorError):
        return CloudUnreachable(f"no connection to {host}: {error.os_error.strerror or 'refused'}")
    return CloudUnreachable(f"{host} broke off or garbled its answer ({type(error).__name__})")


def _certificate_error(error: Exception, host: str) -> CloudUnreachable:
    if getattr(error, "verify_code", None) in _CLOCK_VERDICTS:
        return CloudUnreachable(
            f"the certificate of {host} is out of date by this box's clock: is the clock right?",
            code=FaultCode.BOX,
            cause=Cause.CLOCK,
        )
    reason = getattr(error, "verify_message", None) or "unknown reason"
    return CloudUnreachable(f"the certificate of {host} is not trusted: {reason}")
