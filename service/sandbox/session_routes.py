"""The session API of the seed, served (palabra-api 1.2-1.4)."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from service.core.problems import load_json
from service.core.session import INTENTS, MAX_SUBSCRIBERS, ApiKey, ClientPair, SessionRequest
from service.sandbox import problems, session_faults
from service.sandbox.faults import Faults
from service.sandbox.sessions import Rights, SessionStore, StoredSession, TooManySessions

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_TTL_S = 30 * 24 * 3600


def routes(
    *,
    store: SessionStore,
    faults: Faults,
    pair: ClientPair,
    api_key: ApiKey,
    webrtc_url: str | None = None,
    now_s: Callable[[], float] = time.time,
) -> list[web.RouteDef]:
    """The routes of the session API, to be added to the sandbox's application. `webrtc_url` names a LiveKit server
    elsewhere; without it the rooms are at the address that was asked."""
    api = _SessionApi(store=store, faults=faults, webrtc_url=webrtc_url, now_s=now_s)

    def guarded(handler: Handler) -> Handler:
        async def guard(request: web.Request) -> web.StreamResponse:
            if faults.on("unauthorized") or not _authorized(request, pair, api_key):
                return _unauthorized(request, int(faults.number("unauthorized") or 401))
            return await handler(request)

        return guard

    one = "/session-storage/sessions/{id}"
    return [
        web.post("/session-storage/session", guarded(api.create)),
        web.get("/session-storage/sessions", guarded(api.list)),
        web.get(one, guarded(api.show)),
        web.delete(one, guarded(api.delete)),
        web.post(one, guarded(api.set_ttl)),
    ]


class _SessionApi:
    def __init__(
        self, *, store: SessionStore, faults: Faults, webrtc_url: str | None, now_s: Callable[[], float]
    ) -> None:
        self._store = store
        self._webrtc_url = webrtc_url
        self._faults = faults
        self._now_s = now_s

    async def create(self, request: web.Request) -> web.StreamResponse:
        if (misbehaviour := await session_faults.instead(request, self._faults)) is not None:
            return misbehaviour
        wish = read_request(load_json(await request.read()), request.path)
        if isinstance(wish, list):
            return problems.refusal(wish)
        try:
            session = self._store.create(wish, self._rights(wish), now_s=self._now_s())
        except TooManySessions:
            return _too_many(request)
        return await session_faults.answer(request, self._faults, _created(request, session, self._webrtc_url))

    def _rights(self, wish: SessionRequest) -> Rights:
        on = self._faults.on
        return Rights(
            can_publish=not on("no-publish"),
            can_subscribe=not on("no-subscribe") and (wish.publisher_can_subscribe or not on("subscribe-on-request")),
            can_publish_data=not on("no-data"),
        )

    async def list(self, request: web.Request) -> web.StreamResponse:
        """All sessions on one page: there are never more than the parallel limit."""
        sessions = [_listed(session) for session in self._store.sessions(now_s=self._now_s())]
        return web.json_response({"data": sessions, "next_page_token": None})

    async def show(self, request: web.Request) -> web.StreamResponse:
        session = self._store.get(request.match_info["id"], now_s=self._now_s())
        return _not_found() if session is None else web.json_response({"data": _listed(session)})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        if self._faults.on("never-delete"):
            await session_faults.hang(request)
        if self._store.get(request.match_info["id"], now_s=self._now_s()) is None:
            return _not_found()
        self._store.delete(request.match_info["id"])
        return web.Response(status=204)

    async def set_ttl(self, request: web.Request) -> web.StreamResponse:
        session = self._store.get(request.match_info["id"], now_s=self._now_s())
        if session is None:
            return _not_found()
        ttl_s = _ttl_s(request, await request.read())
        if ttl_s is None:
            detail = f"ttl_seconds must be an integer from 1 to {MAX_TTL_S}"
            return problems.refusal([_bad(400, detail, "/session-storage/sessions")])
        self._store.set_ttl(session, ttl_s, now_s=self._now_s())
        return web.Response(status=204)


def read_request(document: object, instance: str) -> SessionRequest | list[dict[str, Any]]:
    """What is asked for, or one problem per mistake. Null is as good as absent, unknown fields are let be."""
    if not isinstance(document, dict):
        return [_bad(400, "the body must be a JSON object", instance)]
    data = document.get("data")
    if not isinstance(data, dict):
        return [_bad(400, "data is required and must be an object", instance)]
    given = {name: value for name, value in data.items() if value is not None}
    count = given.get("subscriber_count", 0)
    intent = given.get("intent", "api")
    can_subscribe = given.get("publisher_can_subscribe", False)
    mistakes = []
    if type(count) is not int:
        mistakes.append("subscriber_count must be an integer")
    elif not 0 <= count <= MAX_SUBSCRIBERS:
        mistakes.append(f"subscriber_count must be from 0 to {MAX_SUBSCRIBERS}")
    if intent not in INTENTS:
        mistakes.append(f"intent must be one of {', '.join(INTENTS)}")
    if not isinstance(can_subscribe, bool):
        mistakes.append("publisher_can_subscribe must be true or false")
    if mistakes:
        return [_bad(422, mistake, instance) for mistake in mistakes]
    return SessionRequest(subscriber_count=count, intent=intent, publisher_can_subscribe=can_subscribe)


def _authorized(request: web.Request, pair: ClientPair, api_key: ApiKey) -> bool:
    """Exactly one kind of credentials, and right."""
    given = {name: request.headers.get(name) for name in ("ClientId", "ClientSecret", "Authorization")}
    present = {name: value for name, value in given.items() if value is not None}
    return any(
        present.keys() == wanted.keys()
        and all(hmac.compare_digest(_bytes(present[name]), _bytes(wanted[name])) for name in wanted)
        for wanted in (pair.headers(), api_key.headers())
    )


def _bytes(header: str) -> bytes:
    return header.encode("utf-8", "surrogateescape")  # as aiohttp decoded it


def _created(request: web.Request, session: StoredSession, webrtc_url: str | None) -> dict[str, Any]:
    ws_scheme = "wss" if request.scheme == "https" else "ws"
    data = {
        "publisher": session.publisher,
        "subscriber": list(session.subscribers),
        "webrtc_room_name": session.room_name,
        "webrtc_url": webrtc_url or f"{request.scheme}://{request.host}/livekit/",
        "ws_url": f"{ws_scheme}://{request.host}/streaming-api/v1/speech-to-speech/stream",
        "intent": session.intent,
        "id": session.id,
    }
    return {"ok": True, "data": data}


def _listed(session: StoredSession) -> dict[str, str]:
    return {
        "id": session.id,
        "created_at": _iso(session.created_at_s),
        "updated_at": _iso(session.updated_at_s),
        "expires_at": _iso(session.expires_at_s),
    }


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()


def _ttl_s(request: web.Request, body: bytes) -> int | None:
    """From the query or, as the newer text has it, from the body; None if it is in neither or out of range."""
    text = request.query.get("ttl_seconds", "")
    value: object = int(text) if text.isdecimal() and len(text) < 10 else None
    document = load_json(body)
    if value is None and isinstance(document, dict) and isinstance(document.get("data"), dict):
        value = document["data"].get("ttl_seconds")
    return value if type(value) is int and 1 <= value <= MAX_TTL_S else None


def _bad(status: int, detail: str, instance: str) -> dict[str, Any]:
    title, code = ("Bad request", problems.BAD_REQUEST) if status == 400 else ("Invalid field", problems.BAD_FIELD)
    return problems.problem(status, title, detail, instance=instance, error_code=code)


def _unauthorized(request: web.Request, status: int) -> web.Response:
    detail = "Unauthorized access is denied due to invalid credentials."
    found = problems.problem(
        status, "Unauthorized", detail, instance="/session-storage", error_code=problems.UNAUTHORIZED
    )
    return problems.refusal([found])


def _not_found() -> web.Response:
    found = problems.problem(
        404,
        "Not found",
        "There is no such session.",
        instance="/session-storage/sessions",
        error_code=problems.NOT_FOUND,
    )
    return problems.refusal([found])


def _too_many(request: web.Request) -> web.Response:
    found = problems.problem(
        429,
        "Too many requests",
        "The limit of parallel sessions is reached.",
        instance=request.path,
        error_code=problems.TOO_MANY,
    )
    return problems.refusal([found], headers={"Retry-After": "30"})
