"""What the conductor and the sound road need from others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from service.core.audio import EncodedFrame
from service.core.errors import LinkLost
from service.core.session import Session


class EncodedSource(Protocol):
    """Line-in, already Opus."""

    async def read(self) -> EncodedFrame:
        """The next frame, every 20 ms, silence included; never ends. Cancelling loses at most one frame."""


class EncodedSink(Protocol):
    """Takes the packets of one translated track."""

    def push(self, frame: EncodedFrame) -> None:
        """Take one packet as it came from the wire, in any order. Never blocks, never raises."""


class LineIn(EncodedSource, Protocol):
    """The speaker."""

    def go(self) -> None:
        """LIVE: a recording starts, the first time; after a pause what was kept is sent from its first word on, in real
        time."""

    def hold(self) -> None:
        """Paused: silence flows; the last that is said is kept."""

    def keep(self) -> None:
        """A person wants to go on, and it will take a while: all that is said from now on is kept."""

    def clear(self) -> None:
        """A person has ended it: nothing that was kept is sent."""

    @property
    def spoke_s(self) -> float:
        """When somebody spoke last, by the monotonic clock; `-math.inf`: never."""

    def on_speech(self, listener: Callable[[], None]) -> None:
        """Call this on the event loop whenever somebody begins to speak."""


class LineOut(Protocol):
    """The listeners."""

    def sink(self, language: str) -> EncodedSink | None:
        """Where the packets of the track of this language go; None: nobody could hear it."""

    def select(self, targets: Sequence[str]) -> None:
        """Let the targets of this pair be heard, each where it belongs; packets of other languages wait unheard."""

    def mute(self, on: bool) -> None:
        """Silence line-out, or end that, from the next period on."""

    def clear(self) -> None:
        """The session has ended: forget its tracks."""


class Sessions(Protocol):
    """The session endpoint."""

    async def tidy(self) -> None:
        """Delete what an earlier process left open. Takes little time and raises nothing; before the first `open`."""

    def open(self, *, publisher_can_subscribe: bool = False) -> AbstractAsyncContextManager[Session]:
        """A new session; deleted on every way out. `publisher_can_subscribe` asks for that right by name, which the
        seed does not know (palabra-api 1.2). Raises Retryable or NeedsPerson."""


class OpenSessions(Protocol):
    """Remembers which sessions are open, for the process that comes after a crash."""

    def opened(self, session_id: str, owner: str) -> None:
        """The cloud has created it; `owner` stands for the credentials and tells nothing of them."""

    def closed(self, session_id: str) -> None:
        """It is deleted, or nobody will try again."""

    def left_over(self) -> dict[str, str]:
        """What an earlier process left open, with its owner."""


class RoomLink(Protocol):
    """One joined room, from join to leave, however often the way there has to be mended."""

    @property
    def links(self) -> int:
        """How often the room has been joined: with each time it may have forgotten what it was told before."""

    @property
    def alive(self) -> bool:
        """Whether sound can go both ways now, as far as can be told."""

    @property
    def loss(self) -> LinkLost | None:
        """Why it is not alive, where something is known."""

    @property
    def reached(self) -> bool:
        """Whether the far end was heard of lately in any way: with sound gone, it is only the sound that is."""

    async def pump(self) -> None:
        """Keep it alive. Never returns: raises LinkLost when only a new session helps, or PermissionMissing."""

    def is_present(self, identity_prefix: str) -> bool:
        """Whether somebody whose identity starts so, in lower case, is in the room now."""

    async def present(self, identity_prefix: str) -> None:
        """Wait until somebody whose identity starts so, in lower case, is in the room."""

    def messages(self) -> AsyncIterator[bytes]:
        """Management messages that arrive as data packets, from both channels."""

    async def send(self, message: bytes) -> None:
        """Send one management message as a reliable data packet, as soon as there is a way. Raises LinkLost."""


class Rooms(Protocol):
    """Joins rooms."""

    def join(
        self, session: Session, line_in: EncodedSource, sink_for: Callable[[str], EncodedSink | None]
    ) -> AbstractAsyncContextManager[RoomLink]:
        """Join and publish line-in; left on exit, within bounds. `sink_for(language)` is asked for each translated
        track that appears; None leaves it unheard. Raises LinkLost, TokenRefused or PermissionMissing."""


class Decoder(Protocol):
    """One Opus stream's decoder (RFC 6716). Mono float32 at 48 kHz as little-endian bytes; not for two threads."""

    def decode(self, payload: bytes) -> bytes:
        """The samples of one packet. Raises ValueError on a corrupt one."""

    def recover(self, next_payload: bytes, samples: int) -> bytes:
        """The `samples` before `next_payload`, from its in-band FEC copy (or concealed if it has none)."""

    def conceal(self, samples: int) -> bytes:
        """`samples` of concealment after what was decoded last."""
