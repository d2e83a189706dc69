"""The sandbox's own routes: what happened, and the switches of its faults. Open to this machine only."""

from __future__ import annotations

import ipaddress
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from service.sandbox.faults import FAULTS, Faults
from service.sandbox.sessions import StoredSession

EVENTS_KEPT = 1000
SESSIONS_KEPT = 100

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Console:
    """Keeps the latest events and sessions. `status` gives the whole picture as JSON data."""

    def __init__(self, *, faults: Faults, status: Callable[[], dict[str, Any]]) -> None:
        self._faults, self._status = faults, status
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self._sessions: deque[dict[str, Any]] = deque(maxlen=SESSIONS_KEPT)

    def note(self, what: str, room: str, who: str = "") -> None:
        """Something happened: created, deleted, joined, left, or a command by its name."""
        self._events.append({"time_s": round(time.time(), 3), "what": what, "room": room, "who": who})

    def created(self, session: StoredSession) -> None:
        """A session was created."""
        self.note("created", session.room_name)
        known = {"id": session.id, "room": session.room_name, "intent": session.intent, "publisher": session.publisher}
        self._sessions.append({**known, "subscriber": list(session.subscribers), "paid_s": 0.0, "ended": False})

    def ended(self, session: StoredSession) -> None:
        """A session was deleted or lapsed."""
        self.note("deleted", session.room_name)
        for known in self._sessions:
            if known["id"] == session.id:
                known["ended"] = True

    def charge(self, room: str, seconds: float) -> None:
        """So much more of the session in this room has to be paid: a task ran."""
        for known in self._sessions:
            if known["room"] == room:
                known["paid_s"] += seconds

    def routes(self) -> list[web.RouteDef]:
        """The routes, all below /sandbox."""
        return [
            web.get("/sandbox/status", _local(self._show_status)),
            web.get("/sandbox/events", _local(self._list_events)),
            web.get("/sandbox/sessions", _local(self._list_sessions)),
            web.get("/sandbox/faults", _local(self._list_faults)),
            web.post("/sandbox/faults", _local(self._set_fault)),
            web.delete("/sandbox/faults/{name}", _local(self._clear_fault)),
        ]

    async def _show_status(self, _: web.Request) -> web.Response:
        return web.json_response(self._status())

    async def _list_events(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._events))

    async def _list_sessions(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._sessions))

    async def _list_faults(self, _: web.Request) -> web.Response:
        return web.json_response(self._faults.active())

    async def _set_fault(self, request: web.Request) -> web.Response:
        try:
            wish = await request.json()
            value = wish.get("value")
            self._faults.set(wish["name"], None if value is None else str(value))
        except (ValueError, LookupError, TypeError, AttributeError) as problem:
            text = str(problem) if type(problem) is ValueError else 'the body must be {"name": NAME, "value": VALUE}'
            return web.json_response({"error": text}, status=400)
        return web.json_response(self._faults.active())

    async def _clear_fault(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in FAULTS:
            return web.json_response({"error": f"no fault is called {name!r}"}, status=404)
        self._faults.clear(name)
        return web.json_response(self._faults.active())


def _local(handler: Handler) -> Handler:
    """Tokens and switches are nobody's business across a network."""

    async def guard(request: web.Request) -> web.Response:
        if not ipaddress.ip_address(request.remote or "::").is_loopback:
            return web.Response(status=403, text="Ask from the machine on which the sandbox runs.\n")
        return await handler(request)

    return guard
