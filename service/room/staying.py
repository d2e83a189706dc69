"""A stay in one room, over as many links as it takes; promises `core.ports.RoomLink`.

A link resumes its signalling by itself. What it cannot mend is mended here: the room is joined anew, with new
connections, as the same participant (livekit-signalling 4.3, 4.5). What an earlier link still has to say is heard by
nobody: each link has its own tasks, and they end with it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from service.concurrency import LatestQueue, first_of
from service.core.backoff import Backoff
from service.core.errors import Cause, LinkLost, TokenRefused
from service.room.link import RoomLink

log = logging.getLogger(__name__)

# A session is not kept across a long outage; then a new one is made.
REJOIN_S = 60.0
GOOD_S = 10.0  # a link that lived so long is replaced at once, any other after a while
TRIES_APART_S = 2.0
MESSAGES_WAITING = 256
# Somebody wants us gone, or there is nothing left to join: only a new session helps.
FINAL = {Cause.ROOM_GONE, Cause.REMOVED, Cause.DUPLICATE}

# Joins and publishes with this token, the session's own at first.
Enter = Callable[[str | None], AbstractAsyncContextManager[RoomLink]]


class Stay:
    """Made by `staying`. `links` counts the links so far; `loss` says why there is none at present."""

    def __init__(self, enter: Enter, *, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._enter, self._clock, self._chance = enter, clock, chance
        self.links = 0
        self.loss: LinkLost | None = None
        self._token: str | None = None
        self._joined = asyncio.Event()
        self._messages = LatestQueue[bytes](MESSAGES_WAITING)
        self._backoff = Backoff(cap_s=TRIES_APART_S)
        self._trouble_since_s: float | None = None

    # -- core.ports.RoomLink

    @property
    def alive(self) -> bool:
        """Whether sound goes both ways, as far as can be told."""
        return self._joined.is_set() and self._link.alive

    @property
    def reached(self) -> bool:
        """Whether the room's server was heard lately."""
        return self._joined.is_set() and self._link.reached

    async def pump(self) -> None:
        """Keep the stay alive. Raises LinkLost when the room cannot be joined again, or PermissionMissing."""
        while True:
            began_s = self._clock()
            try:
                await self._link.pump()
            except LinkLost as loss:
                if loss.cause in FINAL:
                    raise
                await self._rejoin(loss, self._clock() - began_s)

    async def present(self, identity_prefix: str) -> None:
        """Wait until somebody whose identity starts so, in lower case, is in the room."""
        while True:
            await self._joined.wait()
            gone = self._gone
            await first_of(gone.wait(), self._link.present(identity_prefix))
            if not gone.is_set():
                return

    def is_present(self, identity_prefix: str) -> bool:
        """Whether somebody whose identity starts so, in lower case, is in the room now."""
        return self._joined.is_set() and self._link.is_present(identity_prefix)

    async def messages(self) -> AsyncIterator[bytes]:
        """Management messages, from whichever link there is."""
        while True:
            yield await self._messages.get()

    async def send(self, message: bytes) -> None:
        """Send one management message by the link there is, or by the next one. Raises LinkLost."""
        while True:
            await self._joined.wait()
            link, gone = self._link, self._gone
            try:
                return await link.send(message)
            except LinkLost:
                if link.alive:
                    raise
            await gone.wait()

    # -- one link after another

    async def _open(self) -> None:
        stack = AsyncExitStack()
        link = await stack.enter_async_context(self._enter(self._token))
        stack.push_async_callback(_ended, asyncio.ensure_future(self._listen(link)))
        self._link, self._stack, self._gone = link, stack, asyncio.Event()
        self.links += 1
        self.loss = None
        self._joined.set()

    async def _close(self) -> None:
        self._joined.clear()
        self._gone.set()
        await self._stack.aclose()
        self._token = self._link.token

    async def _listen(self, link: RoomLink) -> None:
        async for message in link.messages():
            self._messages.push(message)

    async def _rejoin(self, loss: LinkLost, lived_s: float) -> None:
        log.info("%s; joining anew", loss)
        self.loss = loss
        await self._close()
        self._backoff.ran_for(lived_s)
        if self._trouble_since_s is None or lived_s >= self._backoff.good_s:
            self._trouble_since_s = self._clock()
        at_once = lived_s >= GOOD_S
        while True:
            if self._clock() > self._trouble_since_s + REJOIN_S:
                raise LinkLost(str(self.loss), cause=loss.cause)
            await asyncio.sleep(0 if at_once else self._backoff.next_s(chance=self._chance()))
            at_once = False
            try:
                await self._open()
                break
            except TokenRefused as refusal:
                raise LinkLost(f"{loss}; {refusal}", cause=loss.cause) from None
            except LinkLost as problem:
                if problem.cause in FINAL:
                    after_s = problem.retry_after_s
                    raise LinkLost(f"{loss}; {problem}", cause=problem.cause, retry_after_s=after_s) from None
                log.debug("! %s", problem)
                self.loss = LinkLost(f"{loss}; {problem}", cause=problem.cause)
        log.info("joined anew")


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def staying(
    enter: Enter, *, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
) -> AsyncIterator[Stay]:
    """Join; left on exit, within bounds. Raises what `enter` raises: the first join is tried once."""
    stay = Stay(enter, clock=clock, chance=chance)
    await stay._open()
    try:
        yield stay
    finally:
        await stay._close()
