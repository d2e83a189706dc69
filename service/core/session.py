"""The seed's endpoint as data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Session:
    """What the cloud grants: a room, its tokens, an end. Tokens and id are secrets and stay out of the repr."""

    id: str = field(repr=False)
    publisher: str = field(repr=False)
    subscribers: tuple[str, ...] = field(repr=False)
    room_name: str
    webrtc_url: str = field(repr=False)
    ws_url: str | None = field(repr=False)
