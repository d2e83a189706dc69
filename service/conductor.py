"""The story: a session, its room, the translation, a pause, what breaks, waiting, again. Owns the phase.

Sound does not pass through here: it goes straight from the sound room to the link and back. Buttons, socket and page
come in by one door, `ask`; what they see is the board.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from service.billing import Billing
from service.board import Board
from service.concurrency import first_of
from service.control import Control, Controls
from service.core.accounts import Accounts
from service.core.backoff import Backoff
from service.core.captions import Caption
from service.core.commands import (
    Acknowledge,
    AcknowledgeOrPrevious,
    Command,
    End,
    PreviousPair,
    Start,
    ToggleLive,
)
from service.core.errors import (
    Cause,
    CloudUnreachable,
    FaultCode,
    LinkLost,
    NeedsPerson,
    PermissionMissing,
    Retryable,
    ServiceError,
    TaskRefused,
    TokenRefused,
)
from service.core.idle import Idle
from service.core.intent import Intent
from service.core.lamps import alarm
from service.core.languages import LanguagePair, Menu, pick_track
from service.core.outages import Outage
from service.core.phase import Phase
from service.core.ports import EncodedSink, LineIn, LineOut, RoomLink, Sessions
from service.core.session import Session
from service.core.status import Fault
from service.core.switching import Switching
from service.core.translation import TranslationTask
from service.panel import Panel
from service.scene import Scene
from service.talk import Talk
from service.transports import Transport, Transports

log = logging.getLogger(__name__)


class Conductor:
    """One box's story. Everything runs on the event loop.

    `intent` is what is wanted at the start, and `on_intent` is told when a person changes it. A session that has lasted
    as long as `accounts` allows is ended, and with `renews` followed by a new one; `on_paid` is that of `Billing`.
    `first_wait_s` passes before the first session, unless a person acts.
    """

    def __init__(
        self,
        *,
        board: Board,
        menu: Menu,
        instant: bool = False,
        sessions: Sessions,
        transports: Transports,
        line_in: LineIn,
        line_out: LineOut,
        intent: Intent,
        accounts: Accounts,
        renews: bool = False,
        first_wait_s: float = 0.0,
        on_intent: Callable[[Intent], None] = lambda intent: None,
        on_paid: Callable[[float], None] = lambda paid_s: None,
        on_caption: Callable[[Caption], None],
        on_outage: Callable[[Outage], None],
        idle: Idle | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._board, self._menu, self._switching = board, menu, Switching(menu, instant=instant)
        self._panel = Panel(board=board, line_out=line_out)
        self._sessions, self._transports = sessions, transports
        self._line_in, self._line_out = line_in, line_out
        self._renews, self._on_intent, self._on_caption = renews, on_intent, on_caption
        self._idle = idle or Idle(None)
        self._clock, self._chance = clock, chance
        self._billing = Billing(board=board, accounts=accounts, on_paid=on_paid, clock=clock)
        self._scene = Scene(board=board, on_outage=on_outage, clock=clock)
        self._first_s = clock() + first_wait_s  # no session before, unless a person acts
        self._intent = intent
        self._ask_subscribe = False
        self._talk: Talk | None = None
        self._transport: Transport | None = None
        self._silent_since_s: float | None = None  # media
        self._tracks: set[str] = set()  # languages that had one in this session
        self._ran: LanguagePair | None = None  # which the cloud confirmed last, in whichever session
        self._refusal: str | None = None  # of the session before this one
        self._backoff = Backoff()
        self._changed = asyncio.Event()  # a wish or a sound fault has changed: look again
        self._ended = asyncio.Event()
        board.update(menu=menu.pairs, wanted=self._intent.pair)
        line_in.on_speech(self._awake)

    # -- the one door in ----------------------------------------------------------------------------------------

    def ask(self, command: Command) -> None:
        """Take a wish. Returns at once; what comes of it shows on the board."""
        log.debug("< %s", command)
        if isinstance(command, AcknowledgeOrPrevious):
            unseen = alarm(self._board.status) is not None and self._board.status.acknowledged is None
            command = Acknowledge() if unseen else PreviousPair()
        if self._panel.obey(command):
            return
        if isinstance(command, ToggleLive | Start) and self._idle.paused:
            self._awake()
            return
        self._intend(self._intent.after(command, self._menu, in_session=self._talk is not None))
        self._on_intent(self._intent)

    def _intend(self, intent: Intent) -> None:
        """From now on this is wanted."""
        before, self._intent, was_paused = self._intent, intent, self._paused
        self._first_s = 0.0
        if not intent.on_air:
            self.accounts.off_air()
            if before.on_air:
                self._ended.set()
        if intent.paused or not intent.on_air:
            self._idle.rest()
        if self._talk is not None and intent.pair != before.pair:
            self._talk.task.want(self._switching.asked(intent.pair), self._clock())
        if intent.on_air:
            self._pause(was_paused)
        self._board.update(wanted=intent.pair, idle=self._idle.paused)
        if self._talk is not None:
            self._hear(self._talk.task)
        self._changed.set()

    @property
    def _paused(self) -> bool:
        """Whether it is to be paused: by a person, or because nobody speaks."""
        return self._intent.paused or self._idle.paused

    def _pause(self, was_paused: bool) -> None:
        """Let line-in, and the session if there is one, have the pause or its end."""
        if self._paused and not was_paused:
            self._line_in.hold()
            if self._talk is not None:
                self._talk.task.pause()
        elif was_paused and not self._paused:
            self._line_in.keep()
            if self._talk is not None:
                self._talk.task.resume()

    def _awake(self) -> None:
        """Somebody begins to speak, or wants what is paused for silence to go on."""
        was_paused = self._paused
        self._idle.awake(self._clock())
        if was_paused != self._paused:
            log.info("somebody is there again: the translation goes on")
            self._pause(was_paused)
            self._board.update(idle=False)
            self._changed.set()

    def _look_whether_idle(self) -> None:
        if self._scene.phase is Phase.LIVE and self._idle.look(self._clock(), spoke_s=self._line_in.spoke_s):
            log.info("nobody speaks: the translation is paused until somebody does")
            self._pause(was_paused=False)
            self._board.update(idle=True)
            self._changed.set()

    @property
    def accounts(self) -> Accounts:
        """How long, and how much of it paid."""
        return self._billing.accounts

    @property
    def phase(self) -> Phase:
        """Where the story is; the board shows FAULT instead while a card is lost."""
        return self._scene.phase

    def look_again(self) -> None:
        """Something outside has changed, such as the network: a wait ends now."""
        self._changed.set()

    def sound(self, fault: Fault | None, *, partly: bool = False) -> None:
        """A card is lost, or is back (None). The session goes on meanwhile; none is created without sound, but with
        sound for some of the listeners: the fault is that of one card of several (`partly`)."""
        if self._scene.sound(fault, partly=partly):
            self._changed.set()

    # -- the story ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play the story until cancelled; then whatever of end_task, leave and delete is due is done first."""
        try:
            await self._sessions.tidy()
            if self._intent.on_air and (wait_s := self._first_s - self._clock()) > 0:
                log.warning("sessions were created moments ago: the next one waits %.1f s", wait_s)
            while True:
                await self._until_on_air()
                if (wait_s := self._first_s - self._clock()) > 0:
                    await self._change_within(wait_s)
                    continue
                if self._billing.overdue:
                    self._end_what_is_overdue()
                    continue
                began_s = self._clock()
                try:
                    await first_of(self._broadcast(), self._ended.wait())
                except Retryable as error:
                    self._note_blocked_media(error)
                    self._backoff.ran_for(self._clock() - began_s)
                    delay_s = self._backoff.next_s(chance=self._chance(), at_least_s=error.retry_after_s)
                    await self._wait_out(Phase.WAITING, error, delay_s)
                except NeedsPerson as error:
                    await self._wait_out(Phase.FAULT, error, error.retry_s)
        finally:
            self.stopping()

    def _note_blocked_media(self, error: Retryable) -> None:
        transport, since_s, self._transport = self._transport, self._silent_since_s, None
        if transport is None or error.cause is not Cause.MEDIA:
            self._silent_since_s = None
        elif since_s is not None and self._transports.unreachable(transport, self._clock() - since_s):
            self._silent_since_s = None
            log.warning("the room's media cannot be reached: the sound of the next session goes over its WebSocket")

    def stopping(self) -> None:
        """From now on the box is on its way out."""
        if self._scene.phase is not Phase.STOPPING:
            self._scene.enter(Phase.STOPPING)

    async def _until_on_air(self) -> None:
        self._ended.clear()
        if not self._intent.on_air:
            self._line_in.clear()
            self._board.update(waiting_for_clock=False)
            self._scene.enter(Phase.READY)
        while not self._intent.on_air or self._scene.soundless:
            self._changed.clear()
            await self._changed.wait()

    async def _wait_out(self, phase: Phase, error: ServiceError, delay_s: float) -> None:
        """Stand still until the time is over or a person acts."""
        level = logging.WARNING if self._scene.is_news(error) else logging.DEBUG
        log.log(level, "%s; again in %.1f s", error, delay_s)
        if isinstance(error, CloudUnreachable) and error.code is FaultCode.NETWORK:
            self._scene.network_is_gone()
        self._scene.lose(error, phase)
        await self._change_within(delay_s)

    def _lose_room(self, link: RoomLink) -> None:
        loss = link.loss or LinkLost("the room's media is not heard", cause=Cause.MEDIA)
        if loss.cause is Cause.NETWORK:
            self._scene.network_is_gone()
        self._scene.lose(loss, Phase.WAITING)

    async def _change_within(self, limit_s: float) -> None:
        """Wait for a wish or anything else to look at, so long at most."""
        self._changed.clear()
        try:
            # Not wait_for: before Python 3.12 it can swallow a cancellation.
            async with asyncio.timeout(limit_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _broadcast(self) -> None:
        """One session; made anew at once after the two refusals that a new one can cure, each once."""
        token_refused = False
        while True:
            try:
                return await self._session()
            except PermissionMissing as refusal:
                if self._ask_subscribe or refusal.rights != {"subscribe"}:
                    raise
                log.warning("%s; asking once more with publisher_can_subscribe", refusal)
                self._ask_subscribe = True
            except TokenRefused as refusal:
                if token_refused:
                    raise
                log.warning("%s; asking for a new session once", refusal)
                token_refused = True
            except TaskRefused as refusal:
                good = self._ran
                if good is None or self._switching.asked(good) == self._switching.asked(self._intent.pair):
                    raise
                log.warning('%s; going back to "%s"', refusal, good.name)
                self._intend(replace(self._intent, pair=good))
                self._refusal = str(refusal)

    async def _session(self) -> None:
        self._board.update(session_notice=None)
        self._scene.enter(Phase.CREATING)
        async with self._sessions.open(publisher_can_subscribe=self._ask_subscribe) as session:
            with self._billing.session():
                await self._stay(session)

    async def _stay(self, session: Session) -> None:
        """Join its room, and talk there until something ends it."""
        self._scene.network_is_there()
        self._scene.enter(Phase.JOINING)
        self._tracks.clear()
        transport = self._transport = self._transports.next()
        self._silent_since_s = self._clock() if self._silent_since_s is None else self._silent_since_s
        async with transport.rooms.join(session, self._line_in, self._sink) as link:
            self._scene.enter(Phase.PREPARING)
            self._board.update(transport=transport.name)
            async with (
                transport.controls.open(session, link) as control,
                self._talking(link, control, transport.controls) as talk,
            ):
                await first_of(link.pump(), talk.hear(), talk.speak(), talk.watch())

    def _end_what_is_overdue(self) -> None:
        limit = self.accounts.limit
        log.warning("on air for session.max_session (%s): the session is ended", limit)
        self.accounts.off_air()
        if self._renews:
            self._ended.set()
        else:
            self.ask(End())
            self._board.update(session_notice=f"ended by itself after session.max_session of {limit}")

    def _sink(self, language: str) -> EncodedSink | None:
        self._tracks.add(language)
        return self._line_out.sink(language)

    @asynccontextmanager
    async def _talking(self, link: RoomLink, control: Control, controls: Controls) -> AsyncIterator[Talk]:
        talk = self._talk = Talk(
            link=link,
            control=control,
            controls=controls,
            new_task=self._new_task,
            settle=self._settle,
            look=self._look,
            has_track=self._has_track,
            wait=self._change_within,
            on_caption=self._caption,
            clock=self._clock,
        )
        try:
            yield talk
        finally:
            self._talk = None
            self._line_out.clear()
            self._board.update(
                confirmed=None, transport=None, control=None, queue_level_ms={}, notices=(), refusal=None
            )
            await talk.farewell()

    def _new_task(self) -> TranslationTask:
        task = TranslationTask()
        task.want(self._switching.asked(self._intent.pair), self._clock())
        task.refusal, self._refusal = self._refusal, None
        if self._paused:
            task.pause()
            self._line_in.hold()
        return task

    def _caption(self, caption: Caption) -> None:
        if not self._idle.paused:
            self._idle.awake(self._clock())  # what the cloud hears is speech, also where our gate hears none
        self._on_caption(caption)

    def _look(self, talk: Talk) -> None:
        self._settle(talk)
        self._billing.look()
        if self._billing.overdue:
            self._end_what_is_overdue()
        self._look_whether_idle()
        self._look_at_media(talk.link)

    def _look_at_media(self, link: RoomLink) -> None:
        """Give up a room whose media alone have been gone for too long, where there is another way for the sound."""
        now_s = self._clock()
        if link.alive:
            self._silent_since_s = None
        elif self._silent_since_s is None:
            self._silent_since_s = now_s
        elif self._transport is not None and link.reached:
            if self._transports.unreachable(self._transport, now_s - self._silent_since_s):
                raise LinkLost("the room's media stay unreachable", cause=Cause.MEDIA)

    def _has_track(self, pair: LanguagePair) -> bool:
        """Of several targets one will do: a session that others hear is kept, and the floor stands in for the rest."""
        others, tracks = {target for other in self._menu.pairs for target in other.targets}, tuple(self._tracks)
        return any(pick_track(target, tracks, others=others) is not None for target in pair.targets)

    def _settle(self, talk: Talk) -> None:
        """Bring phase, board and line-out to what the task says."""
        task, link = talk.task, talk.link
        assert task.wanted is not None
        self._billing.running(task.running)
        if task.wanted != self._switching.asked(self._intent.pair):  # taken back, since it was not to be had
            pair = self._switching.heard(task.wanted, self._intent.pair, self._board.status.confirmed)
            assert pair is not None  # whatever was wanted is of the menu
            self._intent = replace(self._intent, pair=pair)
            self._on_intent(self._intent)  # what is not to be had is not asked for after a power cut either
        self._hear(task)
        self._board.update(
            control=talk.control.name,
            queue_level_ms=task.queue_level_ms,
            notices=_notices(task),
            refusal=task.refusal,
        )
        if task.running and not link.alive:
            self._lose_room(link)
        elif task.running:
            if task.going:
                self._line_in.go()
            if self._scene.phase is not Phase.LIVE:
                self._scene.network_is_there()
                self._scene.enter(Phase.LIVE)
        elif task.paused:
            self._scene.enter(Phase.PAUSED)
        elif self._scene.phase in (Phase.LIVE, Phase.PAUSED, Phase.WAITING):
            self._scene.lose_task()

    def _hear(self, task: TranslationTask) -> None:
        """Let line-out have what the task says, if that is the pair that is wanted, or was: and the lamps with it."""
        heard = self._switching.heard(task.confirmed, self._intent.pair, self._board.status.confirmed)
        if heard not in (None, self._board.status.confirmed):
            self._line_out.select(heard.targets)
            self._ran = heard
        self._board.update(wanted=self._intent.pair, confirmed=heard)


def _notices(task: TranslationTask) -> tuple[str, ...]:
    return tuple(f"the translation queue of {language} is above its maximum" for language in task.queue_full)
