"""What passes between the management of a session, its listeners and its interpreter."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

SOCKET_RATE_HZ = 24_000  # of all sound that goes out over a socket (palabra-api 4.1)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A management message; `to` is the sender it answers, None for everyone in the session."""

    payload: bytes
    to: Hashable | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Interpret with these settings from now on, whatever ran before. `pipeline` has every default filled in.

    Sound comes from the room and goes there, or, `over_socket`, comes as Sound and goes as Spoken. What is not `spoken`
    is captioned all the same.
    """

    source: str
    targets: tuple[str, ...]
    pipeline: dict[str, Any] = field(hash=False)
    over_socket: bool = False
    spoken: bool = True


@dataclass(frozen=True, slots=True)
class Sound:
    """What the management socket brought: s16 samples in base64, channels interleaved."""

    audio: str = field(repr=False)
    rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Keep the tracks, interpret nothing until the next Run."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The end. Unless forced, what was heard is still spoken; `ManagementTask.finished` is told then."""

    force: bool


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak a text; with `translate` it is in `language` and goes to all targets, else `language` is a target."""

    id: str
    text: str
    language: str
    translate: bool


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Drop what is being spoken in these languages; "global" stands for all."""

    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the session's management sockets with this code (RFC 6455)."""

    code: int


Order = Run | Sound | Pause | Stop | Speak | Interrupt | Close


@dataclass(frozen=True, slots=True)
class Heard:
    """The interpreter's: speech of the source; `final` once the sentence is confirmed."""

    id: str
    language: str
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class Said:
    """The interpreter's: a translation, with the id of what was heard or of the Speak."""

    id: str
    language: str
    text: str
    part: int = 0
    final: bool = True


@dataclass(frozen=True, slots=True)
class Spoken:
    """The interpreter's: a piece of a translation's sound, mono s16 at `SOCKET_RATE_HZ` in base64."""

    id: str
    language: str
    audio: str = field(repr=False)
    last: bool
