"""Every misbehaviour of the sandbox, by name: what exists and what is switched on. Whoever misbehaves asks here."""

from __future__ import annotations

from dataclasses import dataclass

Value = float | str


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch. `value` names what stands after "=", with its kind; without a `default` it must be given."""

    name: str
    help: str
    value: str = ""
    kind: type[float] | type[str] = str
    default: Value | None = None


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        # The session API
        Fault("no-balance", "creating a session is refused for lack of balance (403, error code 100050)"),
        Fault("unauthorized", "right credentials are refused too; the older system says 404", "STATUS", float, 401.0),
        Fault("server-error", "creating a session fails with a 5xx", "STATUS", float, 500.0),
        Fault("rate-limit", "creating a session is refused (429) with this Retry-After", "RETRY_AFTER", str, "30"),
        Fault("ok-false", "201, but with ok: false and an error"),
        Fault("bad-problem", "403 with errors that break the schema in every way"),
        Fault("html-proxy", "a proxy's web page instead of an answer", "STATUS", float, 200.0),
        Fault("redirect", "307 to this URL", "URL"),
        Fault("big-body", "an answer of 100 MB"),
        Fault("truncated-json", "an answer whose second half is missing"),
        Fault("slow-loris", "the answer comes one byte at a time, with this gap", "SECONDS", float, 1.0),
        Fault("delay-create", "the session is made at once, the answer comes later", "SECONDS", float),
        Fault("never-answer", "the session is made, the answer never comes"),
        Fault("never-delete", "DELETE is never answered and deletes nothing"),
        Fault("status-200", "200 instead of 201"),
        Fault("flat-answer", "the answer without its envelope of ok and data"),
        Fault("list-publisher", "the publisher's token in a list"),
        Fault("generation-a", "the field names of mid 2025: room_name, stream_url, control_url"),
        # The publisher's token
        Fault("no-publish", "publisher tokens may not publish"),
        Fault("no-subscribe", "publisher tokens may not subscribe"),
        Fault("subscribe-on-request", "publisher tokens may subscribe only if publisher_can_subscribe was sent"),
        Fault("no-data", "publisher tokens may not send data"),
        # The management API
        Fault("generation", "which messages are on the wire: B, C or D", "B|C|D"),
        Fault("ready-delay", "how long a task takes to start", "SECONDS", float, 5.0),
        Fault("resume-delay", "how long a paused task takes to run again", "SECONDS", float, 1.5),
        Fault("never-ready", "no task ever starts"),
        Fault("refuse-language", "this target is refused (VALIDATION_ERROR)", "CODE"),
        Fault("not-found-after", "a task gets lost so long after its start", "SECONDS", float, 5.0),
        Fault("lost-task", "no task is known, however often it is set"),
        Fault("wrong-echo", "get_task answers with another language"),
        Fault("string-data", "data comes as JSON text once more"),
        Fault("duplicates", "every transcription comes twice"),
        Fault("no-queue-map", "no queue levels are told"),
        Fault("empty-queue-map", "queue levels are always empty"),
        Fault("drop-messages", "nothing is ever answered"),
        Fault("no-last-chunk", "no piece of sound over the socket says that it is the last of its sentence"),
        Fault("close-1008", "management sockets are closed with 1008"),
        Fault("lossy-replies", "what is said over data packets comes on the lossy channel"),
        Fault("voiceless", "what a task set from now on translates is captioned and never spoken"),
        Fault("pause-drops-tracks", "the translated tracks are gone while a task is paused"),
        # The room
        Fault("old-server", "no track ids in offers and WMS* without a blank, as LiveKit before 1.9.1"),
        Fault("early-offer", "tracks are offered while the connection is still coming up"),
        Fault("refuse-track", "no track is accepted (NOT_ALLOWED)"),
        Fault("no-interpreter", "no interpreter joins the rooms of new sessions"),
        Fault("late-interpreter", "the interpreter joins so long after the session", "SECONDS", float, 12.0),
    )
}


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        self._on: dict[str, Value] = {}

    def set(self, name: str, value: str | None = None) -> None:
        """Switch a fault on. Raises ValueError, with the remedy, on an unknown name or a wrong value."""
        fault = FAULTS.get(name)
        if fault is None:
            raise ValueError(f"no fault is called {name!r}; known are {', '.join(FAULTS)}")
        self._on[name] = _parsed(fault, value)

    def set_from(self, text: str) -> None:
        """Switch a fault on by NAME[=VALUE]. Raises ValueError as `set` does."""
        name, equals, value = text.partition("=")
        self.set(name, value if equals else None)

    def clear(self, name: str) -> None:
        """Switch a fault off; one that is off stays so."""
        self._on.pop(name, None)

    def on(self, name: str) -> bool:
        """Whether this fault is switched on."""
        assert name in FAULTS  # a bug, not a wish: see the table
        return name in self._on

    def get(self, name: str) -> Value | None:
        """The fault's value: a number or a text by its kind, "" for a plain switch, None when off."""
        assert name in FAULTS
        return self._on.get(name)

    def text(self, name: str) -> str | None:
        """The fault's value as text, None when off."""
        value = self.get(name)
        return None if value is None else f"{value:g}" if isinstance(value, float) else value

    def number(self, name: str) -> float | None:
        """The value of a fault of the kind float, None when off."""
        value = self.get(name)
        return None if value is None else float(value)

    def active(self) -> dict[str, Value]:
        """All that is switched on."""
        return dict(self._on)


def listing() -> str:
    """One line per fault: how to write it, what it does."""
    rows = [(_usage(fault), fault.help) for fault in FAULTS.values()]
    width = max(len(usage) for usage, _ in rows)
    return "\n".join(f"{usage:<{width}}  {text}" for usage, text in rows)


def _usage(fault: Fault) -> str:
    if not fault.value:
        return fault.name
    return f"{fault.name}={fault.value}" if fault.default is None else f"{fault.name}[={fault.value}]"


def _parsed(fault: Fault, value: str | None) -> Value:
    if not fault.value:
        if value is not None:
            raise ValueError(f"fault {fault.name} takes no value")
        return ""
    if value is None:
        if fault.default is None:
            raise ValueError(f"fault {fault.name} needs a value: {_usage(fault)}")
        return fault.default
    try:
        parsed = fault.kind(value)
    except ValueError:
        raise ValueError(f"fault {fault.name}: {value!r} is no number ({fault.value})") from None
    if isinstance(parsed, float) and not 0 <= parsed < 1e6:
        raise ValueError(f"fault {fault.name}: {value!r} is out of range ({fault.value})")
    return parsed
