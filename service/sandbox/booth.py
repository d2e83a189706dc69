"""One session's interpreter: one room, one listening ear, a voice per target language."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from service.concurrency import LatestQueue
from service.core.audio import FRAME_S
from service.core.errors import ServiceError
from service.core.languages import base_code
from service.room import link
from service.room.incoming import RemoteTrack
from service.sandbox import pipe
from service.sandbox.ear import Ear
from service.sandbox.orders import Heard, Interrupt, Pause, Run, Said, Sound, Speak, Stop
from service.sandbox.outlets import Outlets
from service.sandbox.phrases import SOURCE_LANGUAGE, PhraseBook
from service.sandbox.socket_sound import SocketEar
from service.sandbox.transcriber import Event, Partial, Transcriber, Utterance
from service.sandbox.voices import Voices

log = logging.getLogger(__name__)

BEHIND_S = 0.3  # what an ear makes good after a stall; more is not listened to
REPORT_FRAMES = 25
IDLE_S = 0.1
ORDERS_WAITING = 256
UTTERANCES_WAITING = 8
MAX_VOICES = 16  # each is an Opus stream, silent or not
NOT_UNDERSTOOD = "[not understood]"
REPEATED = "[not understood: repeated as heard]"


class Booth:
    """Works in the room from `work` on. What it is told while it joins waits."""

    def __init__(
        self,
        *,
        publisher: str,
        transcriber: Transcriber,
        book: PhraseBook,
        voices: Voices,
        say: Callable[[pipe.Event], None],
    ) -> None:
        self._publisher = publisher
        self._transcriber, self._book, self._voices, self._say = transcriber, book, voices, say
        self._id = secrets.token_hex(8)  # of the utterance under way
        self._run: Run | None = None
        self._stopping = False
        self._ear: Ear | None = None
        self._socket_ear: SocketEar | None = None  # listens in its place while sound goes over the socket
        self._outlets = Outlets(say)
        # Bounded by `order`: answers, sound and interruptions are dropped when nobody gets to them; the others are
        # commands, of which the server lets one pass every other second.
        self._orders: asyncio.Queue[pipe.Order] = asyncio.Queue()
        # Full when speaking takes longer than being spoken to.
        self._utterances = LatestQueue[tuple[str, Utterance]](UTTERANCES_WAITING)

    def order(self, order: pipe.Order) -> None:
        """Do this, in the order given."""
        if self._orders.qsize() < ORDERS_WAITING or not isinstance(order, pipe.Send | Sound | Interrupt):
            self._orders.put_nowait(order)

    async def work(self, url: str, token: str) -> None:
        """Join, and work until told to leave. Says `Gone` when the room is lost."""
        try:
            async with link.join(url, token, sink_for=self._sink_for) as room:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(room.pump())
                    await room.wait_connected()
                    tasks.create_task(self._pass_on(room))
                    tasks.create_task(self._listen())
                    tasks.create_task(self._interpret())
                    tasks.create_task(self._obey(room))
        except* _Left:
            pass
        except* ServiceError as lost:
            self._say(pipe.Gone(_first(lost)))

    def _sink_for(self, track: RemoteTrack) -> Ear | None:
        if track.participant_identity != self._publisher:
            return None
        self._ear = Ear()
        return self._ear

    async def _pass_on(self, room: link.RoomLink) -> None:
        async for message in room.data():
            self._say(pipe.Data(message.payload.decode(errors="replace"), message.sender_identity))

    # -- orders -------------------------------------------------------------------------------------------------

    async def _obey(self, room: link.RoomLink) -> None:
        while True:
            order = await self._orders.get()
            match order:
                case pipe.Leave():
                    raise _Left
                case pipe.Send():
                    await _send(room, order)
                case pipe.Unpublish():
                    await self._outlets.unpublish(room)
                case Run():
                    await self._start(room, order)
                case Sound():
                    if self._socket_ear is not None:
                        self._socket_ear.push(order)
                case Pause():
                    self._run = None
                case Stop(force):
                    self._stop(force=force)
                case Speak():
                    await self._speak_text(order)
                case Interrupt(languages):
                    self._outlets.drop(None if "global" in languages else languages)

    async def _start(self, room: link.RoomLink, run: Run) -> None:
        """Have exactly the voices of these languages, and interpret into them."""
        targets = tuple(dict.fromkeys(run.targets))
        if len(targets) > MAX_VOICES:
            log.warning("only %d of %d languages are spoken", MAX_VOICES, len(targets))
        run = replace(run, targets=targets[:MAX_VOICES])
        await self._outlets.open(room, run)
        self._socket_ear = (self._socket_ear or SocketEar()) if run.over_socket else None
        self._run, self._stopping = run, False

    def _stop(self, *, force: bool) -> None:
        if force:
            self._run = None
            self._outlets.drop()
        else:
            if self._socket_ear is not None:
                self._on_events(self._transcriber.feed(self._socket_ear.rest()))
            self._on_events(self._transcriber.finish())
            self._stopping = True

    # -- listening ----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Pull 20 ms after 20 ms by the clock, so that silence is heard too."""
        due_s, frames, packets = time.monotonic(), 0, 0
        while True:
            due_s = max(due_s + FRAME_S, time.monotonic() - BEHIND_S)
            await asyncio.sleep(due_s - time.monotonic())
            frames += 1
            ear = self._socket_ear or self._ear
            if ear is not None:
                self._on_events(self._transcriber.feed(ear.pull()))
            self._outlets.tick()
            if frames % REPORT_FRAMES == 0:
                packets_now = ear.packets if ear is not None else 0
                self._say(pipe.Listening(packets_now != packets, self._outlets.levels_ms))
                packets = packets_now

    def _on_events(self, events: list[Event]) -> None:
        for event in events:
            if self._run is None or self._stopping:
                return
            if isinstance(event, Utterance):
                self._utterances.push((self._id, event))
                self._id = secrets.token_hex(8)
            elif isinstance(event, Partial) and _speaks_english(self._run):
                self._say(Heard(self._id, SOURCE_LANGUAGE, event.text, final=False))

    # -- speaking -----------------------------------------------------------------------------------------------

    async def _interpret(self) -> None:
        """Say each utterance in the languages that run when its turn comes; after a Stop, until all is said."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    identity, utterance = await self._utterances.get()
            except TimeoutError:
                if self._stopping and not self._outlets.levels_ms:
                    self._stopping, self._run = False, None
                    self._say(pipe.Finished())
                continue
            if self._run is not None:
                await self._interpret_one(identity, utterance, self._run)

    async def _interpret_one(self, identity: str, utterance: Utterance, run: Run) -> None:
        understood = utterance.understood and _speaks_english(run)
        language = SOURCE_LANGUAGE if _speaks_english(run) else run.source
        self._say(Heard(identity, language, utterance.text if understood else NOT_UNDERSTOOD, final=True))
        for target in run.targets:
            translated = self._book.translate(utterance.text, target) if understood else None
            await self._say_in(target, identity, translated, utterance.audio)

    async def _speak_text(self, order: Speak) -> None:
        targets = self._outlets.languages if order.translate else (order.language,)
        known = base_code(order.language) == SOURCE_LANGUAGE
        for target in targets:
            text: str | None = order.text
            if order.translate:
                text = self._book.translate(order.text, target) if known else None
            await self._say_in(target, order.id, text, b"")

    async def _say_in(self, target: str, identity: str, text: str | None, audio: bytes) -> None:
        """Speak a translation, or repeat what was not understood, and caption it."""
        spoken = await self._voices.speak(text, target) if text is not None else None
        if spoken is None:
            # Up to a tenth of a second of arithmetic, which must not hold up the voices of others.
            spoken = await asyncio.to_thread(self._voices.repeat, audio, target)
        if self._run is not None and not self._run.spoken:
            spoken = b""
        if self._outlets.say(target, spoken, identity):
            self._say(Said(identity, target, text if text is not None else REPEATED))


class _Left(Exception):
    """We were told to leave."""


async def _send(room: link.RoomLink, message: pipe.Send) -> None:
    try:
        await room.send(message.payload.encode(), reliable=message.reliable, to=message.to)
    except ValueError as problem:
        log.warning("a management message is not sent: %s", problem)


def _speaks_english(run: Run) -> bool:
    return base_code(run.source) in (SOURCE_LANGUAGE, "auto")


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """What the first of these says, however deep it lies."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
