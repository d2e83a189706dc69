"""A session over its WebSocket alone, commands and sound; promises `core.ports.Rooms` where UDP does not get through.

It turns the vendor's 24 kHz PCM into and out of encoded frames at its own door; nothing else knows of it (palabra-api
3.3 to 3.6, 3.8).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NoReturn, Protocol

import numpy as np

from service.cloud import management_socket
from service.cloud.voices import Encoder, Voices
from service.concurrency import LatestQueue, first_of
from service.core import socket_audio
from service.core.audio import FRAME_MS
from service.core.errors import Cause, LinkLost, Retryable, SessionLost
from service.core.messages import CloudError, MalformedMessage, OutputAudio, decode
from service.core.ports import Decoder, EncodedSink, EncodedSource
from service.core.session import Session

log = logging.getLogger(__name__)

CHUNK_FRAMES = socket_audio.CHUNK_MS // FRAME_MS
# What may be on its way, in chunks: more than the worst round trip, and so little that it is no burst after a stall.
WINDOW_CHUNKS = 4
# The cloud gives a task up that it has not heard for 10 s (3.6), so waiting longer for the network saves nothing.
PING_S, SILENCE_S = 2.5, 10.0
MESSAGES_WAITING = 256


class Socket(Protocol):
    """`management_socket.ManagementSocket`."""

    @property
    def marks_open(self) -> int:
        """How many marks the far end has not been seen to reach yet."""

    def messages(self) -> AsyncIterator[bytes]:
        """Messages in order; ends or raises Retryable when the socket is closed."""

    async def send(self, message: bytes) -> None:
        """Send one message. Raises LinkLost."""

    async def mark(self) -> None:
        """Mark this place in what is sent."""


Connect = Callable[[str, str], AbstractAsyncContextManager[Socket]]


def _connect(ws_url: str, token: str) -> AbstractAsyncContextManager[Socket]:
    return management_socket.connect(ws_url, token, ping_s=PING_S, silence_s=SILENCE_S)


class AudioLink:
    """One session's socket; promises `core.ports.RoomLink`, in a room where the translator always is."""

    links = 1  # what ends it ends the task with it

    def __init__(self, socket: Socket, line_in: EncodedSource, voices: Voices, decoder: Decoder) -> None:
        self._socket, self._line_in, self._voices, self._decoder = socket, line_in, voices, decoder
        self._readiness = socket_audio.Readiness()
        self._gave_up: str | None = None
        self._unasked = 0  # pieces of speech in a language that was not asked for
        self.packets_sent = 0
        self._messages = LatestQueue[bytes](MESSAGES_WAITING)
        self._dead: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()

    @property
    def hears(self) -> bool:
        """Whether the cloud hears what is sent now."""
        return self._readiness.ready

    def lose(self, error: LinkLost) -> None:
        """Give the link up for a reason that shows elsewhere."""
        if not self._dead.done():
            self._dead.set_exception(error)
            self._dead.exception()  # seen, whether or not anybody waits for it

    @property
    def alive(self) -> bool:
        """Whether what is sent arrives."""
        return self._socket.marks_open < WINDOW_CHUNKS

    reached = True  # or the socket is given up

    @property
    def loss(self) -> LinkLost | None:
        """Why not."""
        return None if self.alive else LinkLost("the socket takes no more sound", cause=Cause.NETWORK)

    def is_present(self, identity_prefix: str) -> bool:
        """Always: the cloud itself is at the other end."""
        return True

    async def present(self, identity_prefix: str) -> None:
        """At once."""

    async def messages(self) -> AsyncIterator[bytes]:
        """Management messages; sound is not among them."""
        while True:
            yield await self._messages.get()

    async def send(self, message: bytes) -> None:
        """Send one command, as it is said over this socket. Raises LinkLost."""
        command = socket_audio.over_socket(message)
        self._readiness.said(command.kind)
        if command.targets:
            self._voices.want(command.targets, max_queue_ms=command.max_queue_ms)
        await self._socket.send(command.payload)

    async def pump(self) -> None:
        """Carry sound and messages. Never returns: raises Retryable when the socket is closed, broken or silent."""
        await first_of(self._hear(), self._speak(), self._voices.play(), self._given_up())

    # -- from the cloud

    async def _hear(self) -> None:
        try:
            async for payload in self._socket.messages():
                self._take(payload)
        except Retryable as problem:
            # 1008 alone would mean to stay away for a minute (palabra-api 3.6).
            raise problem if self._gave_up is None else SessionLost(self._gave_up) from None
        raise SessionLost(self._gave_up or "the cloud closed the session's socket")

    def _take(self, payload: bytes) -> None:
        try:
            message = decode(payload)
        except MalformedMessage as problem:
            log.debug("! %s", problem)
            return
        if isinstance(message, OutputAudio):
            if not self._voices.say(message):
                self._unasked += 1
                if self._unasked == 1:
                    log.warning("speech in %r, which was not asked for, is not heard", message.language)
            return
        self._readiness.heard(message)
        if isinstance(message, CloudError) and message.code == "SERVICE_TIMEOUT":
            self._gave_up = f"the cloud heard no sound and gave up: {message.short}"
        self._messages.push(payload)

    async def _given_up(self) -> None:
        await asyncio.shield(self._dead)

    # -- to the cloud

    async def _speak(self) -> None:
        """Line-in, a chunk whenever one is whole: its own pace is that of the card. What finds no way is dropped, for
        kept it would be a burst later (palabra-api 3.5)."""
        frames: list[bytes] = []
        while True:
            frame = await self._line_in.read()
            if not self._readiness.ready:
                frames.clear()
                continue
            frames.append(self._decoder.decode(frame.payload))
            if len(frames) == CHUNK_FRAMES:
                if self.alive:
                    with contextlib.suppress(LinkLost):  # `_hear` knows why
                        await self._socket.send(socket_audio.input_audio(_s16(b"".join(frames))))
                        await self._socket.mark()
                        self.packets_sent += CHUNK_FRAMES
                frames.clear()


def _s16(samples: bytes) -> bytes:
    return bytes((np.clip(np.frombuffer(samples, "<f4"), -1.0, 1.0) * 32767).astype("<i2").tobytes())


class AudioSockets:
    """Opens them; promises `core.ports.Rooms`. The codecs are for 24 kHz."""

    def __init__(
        self,
        *,
        new_decoder: Callable[[], Decoder],
        new_encoder: Callable[[], Encoder],
        connect: Connect = _connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_decoder, self._new_encoder = new_decoder, new_encoder
        self._connect, self._clock = connect, clock
        self._link: AudioLink | None = None
        self._sent_before = 0

    @property
    def packets_sent(self) -> int:
        """Packets of line-in sent since the start, in all sessions."""
        return self._sent_before + (self._link.packets_sent if self._link is not None else 0)

    @property
    def hears(self) -> bool:
        """Whether the cloud hears what is sent now; True where no session has its sound here."""
        return self._link is None or self._link.hears

    def lose(self, error: LinkLost) -> None:
        """Give up the link there is, for a reason that shows elsewhere."""
        if self._link is not None:
            self._link.lose(error)

    @asynccontextmanager
    async def join(
        self, session: Session, line_in: EncodedSource, sink_for: Callable[[str], EncodedSink | None]
    ) -> AsyncIterator[AudioLink]:
        """See `core.ports.Rooms`; raises SessionLost, CloudBusy or CloudUnreachable. `sink_for` is asked for each
        target when it is first commanded."""
        if session.ws_url is None:
            raise SessionLost("the session names no URL for sound over a WebSocket")
        voices = Voices(sink_for=sink_for, new_encoder=self._new_encoder, clock=self._clock)
        async with self._connect(session.ws_url, session.publisher) as socket:
            self._link = AudioLink(socket, line_in, voices, self._new_decoder())
            try:
                yield self._link
            finally:
                self._sent_before, self._link = self.packets_sent, None
