"""The door of the management WebSocket: a session's token opens it, or the platform's API key, which brings a session
that lives as long as the socket (palabra-api 3.1)."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from service.core.session import ApiKey, SessionRequest
from service.sandbox.faults import Faults
from service.sandbox.sessions import Rights, SessionStore, StoredSession, TooManySessions
from service.sandbox.tokens import Grant, TokenRefused

PATHS = (
    "/streaming-api/v1/speech-to-speech/stream",
    "/streaming-api/{anything}/v1/speech-to-speech/stream",  # the vendor's clients spread over its servers by it
)


class Streams:
    """Counts the sockets of each session, which is kept as long as one is open; `serve` does the rest."""

    def __init__(
        self,
        *,
        store: SessionStore,
        faults: Faults,
        api_key: ApiKey,
        verify: Callable[[str], Grant],
        serve: Callable[[web.Request], Awaitable[web.StreamResponse]],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._faults, self._api_key = store, faults, api_key
        self._verify, self._serve, self._now_s = verify, serve, now_s

    def routes(self) -> list[web.RouteDef]:
        """To be added to the sandbox's application."""
        return [web.get(path, self._open) for path in PATHS]

    async def _open(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("token", "")
        if hmac.compare_digest(token.encode(errors="replace"), self._api_key.key.encode()):
            return await self._open_new(request)
        try:
            session = self._store.of_room(self._verify(token).room, now_s=self._now_s())
        except TokenRefused:
            session = None
        return web.Response(status=403) if session is None else await self._open_known(request, session)

    async def _open_known(self, request: web.Request, session: StoredSession) -> web.StreamResponse:
        self._store.joined(session, now_s=self._now_s())
        try:
            return await self._serve(request)
        finally:
            self._store.left(session, now_s=self._now_s())

    async def _open_new(self, request: web.Request) -> web.StreamResponse:
        try:
            if self._faults.on("unauthorized") or self._faults.on("no-balance"):
                return web.Response(status=403)
            session = self._store.create(SessionRequest(), Rights(), now_s=self._now_s())
        except TooManySessions:
            return web.Response(status=429)
        try:
            url = request.rel_url.update_query(token=session.publisher)
            return await self._open_known(request.clone(rel_url=url), session)
        finally:
            self._store.delete(session.id)
