"""What is said and heard in one session: its translation task kept as people want it, its captions, its complaints.

Who wants what, and what it means to the box, is the conductor's affair: it looks whenever something has changed.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from service.control import TRANSLATOR, Control, Controls
from service.core import messages
from service.core.captions import Caption, Captions
from service.core.errors import Retryable
from service.core.languages import LanguagePair
from service.core.ports import RoomLink
from service.core.problems import clean
from service.core.translation import TranslationTask
from service.core.watches import DataWatch, SoundWatch

log = logging.getLogger(__name__)

SOCKET_READY_S = 10.0  # no readiness over the WebSocket within this: the data channel is tried (palabra-api 2.9)
FAREWELL_S = 0.3
WATCH_S = 0.5
COMPLAINTS = 100  # codes of the cloud that are logged in one session


class Talk:
    """One session's. `hear`, `speak` and `watch` run side by side until one of them raises; then `farewell`.

    `settle` is called when the task may have changed, `look` twice a second, and may raise to end the session;
    `has_track` says whether a pair could be heard, and `wait` waits for a wish, so many seconds at most.
    """

    def __init__(
        self,
        *,
        link: RoomLink,
        control: Control,
        controls: Controls,
        new_task: Callable[[], TranslationTask],
        settle: Callable[[Talk], None],
        look: Callable[[Talk], None],
        has_track: Callable[[LanguagePair], bool],
        wait: Callable[[float], Awaitable[None]],
        on_caption: Callable[[Caption], None],
        clock: Callable[[], float],
    ) -> None:
        self.link, self.control, self.task = link, control, new_task()
        self._controls, self._new_task = controls, new_task
        self._settle, self._look, self._has_track, self._wait = settle, look, has_track, wait
        self._on_caption, self._clock = on_caption, clock
        self._answers_from_s = 0.0  # when the room's data channel can be expected to answer
        self._complaints: set[str] = set()

    async def hear(self) -> None:
        """Take in what the cloud says."""
        captions = Captions()
        async for payload in self.control.messages():
            try:
                message = messages.decode(payload)
            except messages.MalformedMessage as problem:
                log.debug("! %s", problem)
                continue
            if isinstance(message, messages.Transcription):
                caption = captions.accept(message)
                if caption is not None:
                    self._on_caption(caption)
                continue
            if isinstance(message, messages.CloudError | messages.CloudWarning):
                self._log_complaint(message)
            self.task.receive(message, self._clock())
            self._settle(self)

    def _log_complaint(self, said: messages.CloudError | messages.CloudWarning) -> None:
        """What the cloud finds wrong, also what no document lists; each code once in a session, for it may repeat it
        every second. That a starting task is not found yet is no complaint (palabra-api 3.5)."""
        starting = said.code == "NOT_FOUND" and not self.task.running
        if not starting and said.code not in self._complaints and len(self._complaints) < COMPLAINTS:
            self._complaints.add(said.code)
            log.warning("the cloud says %s: %s", clean(said.code), clean(said.text))

    async def speak(self) -> None:
        """Send what is due, when it is due."""
        await self.control.listener()
        give_up_s = math.inf
        if self.control.name == "websocket" and self._controls.may_fall_back:
            give_up_s = self._clock() + SOCKET_READY_S
        way = self.control.name, self.link.links
        while True:
            if way != (self.control.name, self.link.links):
                # The cloud has closed the socket or seen us leave the room, and perhaps ended the task.
                self.task.check(self._clock())
                way = self.control.name, self.link.links
            if self.task.running or self.task.paused:
                give_up_s = math.inf
            elif self._clock() >= give_up_s:
                give_up_s = math.inf
                self._controls.give_up_websocket(f"no readiness within {SOCKET_READY_S:g} s over the WebSocket")
                await self.control.to_datachannel()
                await self.control.listener()
                self.task = self._new_task()
            await self._say_what_is_due(give_up_s)

    async def _say_what_is_due(self, give_up_s: float) -> None:
        # Nothing is asked where nothing can be answered: that would count as silence of the cloud.
        reached = self.control.name == "websocket" or self._clock() >= self._answers_from_s
        self.task.look(self._clock(), reachable=self.link.alive)
        message = self.task.due(self._clock()) if reached else None
        self._settle(self)
        if message is not None:
            await self.control.send(message)
            return
        wake_s = min(give_up_s, self.task.wake_at_s() or math.inf) if reached else math.inf
        await self._wait(min(1.0, max(0.001, wake_s - self._clock())))

    async def watch(self) -> None:
        """See what nobody tells: a path that is silent, a translator that is gone, a translation without a track."""
        sound, data = SoundWatch(), DataWatch()
        while True:
            await asyncio.sleep(WATCH_S)
            self.task.look(self._clock(), reachable=self.link.alive)  # here too: what is said may be stuck on its way
            self._look(self)
            self._answers_from_s = data.look(self._clock(), alive=self.link.alive, links=self.link.links)
            confirmed = self.task.confirmed
            if sound.look(
                self._clock(),
                running=self.task.running and confirmed is not None and self.link.alive,
                translator=self.link.is_present(TRANSLATOR),
                track=confirmed is not None and self._has_track(confirmed),
            ):
                self.task.check(self._clock())

    async def farewell(self) -> None:
        """end_task, said once and waited for by nobody."""
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self.control.send(self.task.end())
        except (Retryable, TimeoutError) as problem:
            log.debug("! end_task could not be said: %r", problem)
