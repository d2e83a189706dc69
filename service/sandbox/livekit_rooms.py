"""Rooms on a LiveKit server that is not ours: how the sandbox grows past one machine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from service.sandbox.tokens import SigningKey, mint_admin

log = logging.getLogger(__name__)

LOOK_S = 1.0
TIMEOUT_S = 5.0


class LiveKitRooms:
    """The rooms of our sessions on the server at `url`, whose API key is `key`.

    LiveKit makes a room when somebody joins it. Who is in ours is asked by RoomService (livekit-signalling 7.3);
    `joined` and `left` are told the room and the identity of everybody who comes and goes.
    """

    def __init__(
        self, *, url: str, key: SigningKey, joined: Callable[[str, str], None], left: Callable[[str, str], None]
    ) -> None:
        self.url, self._key = url, key
        self._joined, self._left = joined, left
        self._inside: dict[str, set[str]] = {}  # identities by room
        self._reached = True

    @property
    def rooms(self) -> dict[str, list[str]]:
        """Who is in which room, as last seen."""
        return {name: sorted(inside) for name, inside in self._inside.items()}

    def opened(self, name: str) -> None:
        """A session has this room from now on."""
        self._inside[name] = set()

    async def end_room(self, name: str) -> None:
        """Put everybody out and close the room."""
        if self._inside.pop(name, None) is not None:
            async with self._http() as http:
                await self._ask(http, "DeleteRoom", name)

    async def run(self) -> None:
        """Look who is there, again and again, until cancelled."""
        async with self._http() as http:
            while True:
                await asyncio.sleep(LOOK_S)
                for name in list(self._inside):
                    answer = await self._ask(http, "ListParticipants", name)
                    if answer is not None and name in self._inside:
                        self._compare(name, {each["identity"] for each in answer.get("participants", ())})

    async def close(self) -> None:
        """End all rooms: the sandbox goes down."""
        await asyncio.gather(*(self.end_room(name) for name in list(self._inside)))

    def _compare(self, name: str, inside: set[str]) -> None:
        before, self._inside[name] = self._inside[name], inside
        for identity in sorted(before - inside):
            self._left(name, identity)
        for identity in sorted(inside - before):
            self._joined(name, identity)

    def _http(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), trust_env=True)

    async def _ask(self, http: aiohttp.ClientSession, method: str, room: str) -> dict[str, Any] | None:
        """One call of the server's API; None when it cannot be had, which is said once."""
        base = self.url.replace("ws", "http", 1) if self.url.startswith("ws") else self.url
        headers = {"Authorization": f"Bearer {mint_admin(room, self._key, now_s=time.time())}"}
        try:
            async with http.post(
                f"{base.rstrip('/')}/twirp/livekit.RoomService/{method}", json={"room": room}, headers=headers
            ) as response:
                if response.status == 404:  # nobody has joined yet, or the room is gone
                    return {}
                response.raise_for_status()
                found: dict[str, Any] = await response.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
            if self._reached:
                log.warning("the LiveKit server does not answer %s (%s)", method, type(problem).__name__)
            self._reached = False
            return None
        self._reached = True
        return found
