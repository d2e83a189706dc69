"""The sessions of the sandbox: made, found, lapsed, deleted. Times are epoch seconds and arguments."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from service.core.session import SessionRequest
from service.sandbox.tokens import Grant, SigningKey, mint

MAX_PARALLEL = 10  # per account, as the pricing page had it in August 2026 (palabra-api 1.6)
UNUSED_S = 300.0  # not published by the vendor; long enough for a slow join
LINGER_S = 60.0  # after the last participant has left (palabra-api 1.6)


class TooManySessions(Exception):
    """The account has all the sessions it may have at once."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What the publisher's token allows."""

    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True


@dataclass(slots=True)
class StoredSession:
    """One session; only the store changes it."""

    id: str = field(repr=False)
    room_name: str
    intent: str
    publisher: str = field(repr=False)
    subscribers: tuple[str, ...] = field(repr=False)
    created_at_s: float
    updated_at_s: float
    expires_at_s: float
    connections: int = 0


class SessionStore:
    """All sessions of one account. `on_created` is told of each, `on_deleted` of each end, by deletion or by lapse."""

    def __init__(
        self,
        *,
        key: SigningKey,
        on_created: Callable[[StoredSession], None] = lambda session: None,
        on_deleted: Callable[[StoredSession], None] = lambda session: None,
        max_parallel: int = MAX_PARALLEL,
        unused_s: float = UNUSED_S,
        linger_s: float = LINGER_S,
    ) -> None:
        self._key = key
        self._on_created, self._on_deleted = on_created, on_deleted
        self._max_parallel = max_parallel
        self._unused_s = unused_s
        self._linger_s = linger_s
        self._sessions: dict[str, StoredSession] = {}

    def create(self, request: SessionRequest, rights: Rights, *, now_s: float) -> StoredSession:
        """A new session with its tokens. Raises TooManySessions."""
        self.expire(now_s)
        if len(self._sessions) >= self._max_parallel:
            raise TooManySessions
        room = secrets.token_hex(4)
        publisher = Grant(f"publisher_{room}", room, rights.can_publish, rights.can_subscribe, rights.can_publish_data)
        listeners = [
            Grant(f"subscriber_{room}_{number}", room, can_publish=False, can_publish_data=False)
            for number in range(request.subscriber_count)
        ]
        session = StoredSession(
            id=f"sandbox.{secrets.token_hex(4)}.{secrets.token_hex(8)}",
            room_name=room,
            intent=request.intent,
            publisher=mint(publisher, self._key, now_s=now_s),
            subscribers=tuple(mint(listener, self._key, now_s=now_s) for listener in listeners),
            created_at_s=now_s,
            updated_at_s=now_s,
            expires_at_s=now_s + self._unused_s,
        )
        self._sessions[session.id] = session
        self._on_created(session)
        return session

    def sessions(self, *, now_s: float) -> list[StoredSession]:
        """All that have not ended, oldest first."""
        self.expire(now_s)
        return list(self._sessions.values())

    def get(self, session_id: str, *, now_s: float) -> StoredSession | None:
        """The session of this id."""
        self.expire(now_s)
        return self._sessions.get(session_id)

    def of_room(self, room_name: str, *, now_s: float) -> StoredSession | None:
        """The session whose room this is."""
        return next((session for session in self.sessions(now_s=now_s) if session.room_name == room_name), None)

    def delete(self, session_id: str) -> bool:
        """End a session; False if there is none of this id."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return False
        self._on_deleted(session)
        return True

    def set_ttl(self, session: StoredSession, ttl_s: float, *, now_s: float) -> None:
        """Let the session lapse at another time; one in use is still kept."""
        session.updated_at_s, session.expires_at_s = now_s, now_s + ttl_s

    def joined(self, session: StoredSession, *, now_s: float) -> None:
        """A participant is in the room: the session is kept as long as one is."""
        session.connections += 1
        session.updated_at_s = now_s

    def left(self, session: StoredSession, *, now_s: float) -> None:
        """A participant has gone; with the last one the session has a minute left."""
        session.connections -= 1
        session.updated_at_s, session.expires_at_s = now_s, now_s + self._linger_s

    def expire(self, now_s: float) -> None:
        """Push forward what is in use, end what has lapsed. To be called about once a minute, or more often."""
        for session in list(self._sessions.values()):
            if session.connections > 0:
                session.expires_at_s = max(session.expires_at_s, now_s + self._linger_s)
            elif session.expires_at_s <= now_s:
                self.delete(session.id)
