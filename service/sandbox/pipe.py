"""The pipe between the sandbox's server and its interpreter: one JSON line per order or event.

The server says what to do in which room; the interpreter says what it heard there. The server never waits for the
interpreter; the interpreter may wait for the server to read, which it always does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from service.sandbox.orders import Heard, Interrupt, Pause, Run, Said, Sound, Speak, Spoken, Stop

LINE_BYTES = 4 << 20  # a set_task of the largest size, its defaults filled in, is longer than itself


@dataclass(frozen=True, slots=True)
class Join:
    """Join a room and listen to this identity."""

    url: str
    token: str = field(repr=False)
    publisher: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a management message as a data packet, to one identity or to all."""

    payload: str
    to: str | None = None
    reliable: bool = True


@dataclass(frozen=True, slots=True)
class Unpublish:
    """Take all tracks out of the room; the next Run brings them back."""


@dataclass(frozen=True, slots=True)
class Data:
    """A data packet came, from whomever."""

    payload: str
    sender: str


@dataclass(frozen=True, slots=True)
class Listening:
    """Whether packets came in from the publisher lately; said about twice a second. And what waits to be spoken, per
    language."""

    input_heard: bool
    queue_level_ms: dict[str, int]


@dataclass(frozen=True, slots=True)
class Finished:
    """All that was heard before a Stop has been spoken."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The interpreter is no longer in the room, though nobody told it to leave."""

    why: str


@dataclass(frozen=True, slots=True)
class Mode:
    """What interprets, in one sentence: phrases, or what is missing for them."""

    text: str


Order = Join | Leave | Send | Unpublish | Run | Sound | Pause | Stop | Speak | Interrupt
Event = Data | Listening | Finished | Gone | Mode | Heard | Said | Spoken
_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (Join, Leave, Send, Unpublish, Run, Sound, Pause, Stop, Speak, Interrupt)
    + (Data, Listening, Finished, Gone, Mode, Heard, Said, Spoken)
}


def to_line(room: str, what: Order | Event) -> bytes:
    """One line, newline included."""
    return json.dumps({"room": room, "kind": type(what).__name__, "data": asdict(what)}).encode() + b"\n"


def from_line(line: bytes) -> tuple[str, Any]:
    """The room, and the order or event. Raises ValueError for what is none."""
    try:
        envelope = json.loads(line)
        data = {key: tuple(value) if isinstance(value, list) else value for key, value in envelope["data"].items()}
        return envelope["room"], _KINDS[envelope["kind"]](**data)
    except (KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"no order or event: {problem!r}") from problem
