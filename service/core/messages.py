"""Management messages in the cloud's own names: bytes in, dataclasses out (palabra-api 2.6, 3.2, 3.4).

What the box says is made in `core/task_settings.py`; the two meet in `core/translation.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TRANSCRIPTIONS = (
    "partial_transcription",
    "validated_transcription",
    "translated_transcription",
    "partial_translated_transcription",
)
TEXT_LIMIT = 4000  # characters kept of any text of the peer; a validation error lists some 180 codes
SHORT_LIMIT = 300
LEVEL_LIMIT_MS = 10**9


class MalformedMessage(ValueError):
    """The peer spoke nonsense. The text names the place and never holds what the peer sent."""


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was said or its translation. `kind` is one of TRANSCRIPTIONS; `part` numbers the parts of a translation.

    What people said stays out of the repr, and so out of logs.
    """

    kind: str
    id: str
    part: str | None
    language: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """The cloud's echo of the task. `status` is absent in older traffic; languages are as far as they were echoed."""

    status: str | None
    source: str | None
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The acknowledgement of a command (generation D)."""

    command: str
    event: str
    status: str | None


@dataclass(frozen=True, slots=True)
class CloudError:
    """A command failed, or the task did; `code` is "UNKNOWN_ERROR" where the cloud gave none."""

    code: str
    text: str

    @property
    def short(self) -> str:
        """The text cut to what a person reads."""
        return self.text if len(self.text) <= SHORT_LIMIT else self.text[: SHORT_LIMIT - 1] + "…"

    @property
    def names_language(self) -> bool:
        """Whether a validation error is about the languages themselves, not about an option."""
        return "source_language" in self.text or "target_language" in self.text

    @property
    def is_rate_limit(self) -> bool:
        """Whether a command came too early. The code is documented nowhere (3.7), so several spellings count."""
        code, text = self.code.upper(), self.text.lower()
        return "RATE" in code or "LIMIT" in code or "TOO_MANY" in code or "rate limit" in text or "too many" in text


@dataclass(frozen=True, slots=True)
class CloudWarning:
    """The task runs, but not as it should."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class QueueLevel:
    """Translated speech that waits to be spoken; the oldest is dropped above `max_ms`."""

    current_ms: int
    max_ms: int | None


@dataclass(frozen=True, slots=True)
class QueueMap:
    """The translation queue per language, about once a second; empty when nothing waits."""

    levels: Mapping[str, QueueLevel]


@dataclass(frozen=True, slots=True)
class OutputAudio:
    """Translated speech of the WebSocket: mono s16 little-endian at 24 kHz. `last` may never come (3.4)."""

    language: str
    pcm: bytes = field(repr=False)
    last: bool


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """The last message: `end_of_stream`, or `eos` before generation C."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Known, and of no use to the box."""

    kind: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A kind we do not know: counted, never an error."""

    kind: str


Message = (
    Transcription
    | CurrentTask
    | TaskStatus
    | CloudError
    | CloudWarning
    | QueueMap
    | OutputAudio
    | EndOfStream
    | Ignored
    | Unknown
)


def decode(payload: bytes | str) -> Message:
    """One message of the cloud. `data` may be an object, JSON text of one, null or absent.

    Raises MalformedMessage, and nothing else, whatever the payload is.
    """
    envelope = _object(payload, "the message")
    if "message_type" not in envelope:
        return QueueMap(_levels(envelope))
    kind = envelope["message_type"]
    if not isinstance(kind, str):
        raise MalformedMessage("message_type is not a string")
    read = _READERS.get(kind)
    if read is None:
        return Unknown(clean(kind)[:80])
    data = envelope.get("data")
    return read(kind, {} if data is None else _object(data, f"data of {kind}"))


def clean(text: str) -> str:
    """The text, bounded, without lone surrogates: those cannot be written as UTF-8 again."""
    return text[:TEXT_LIMIT].encode("utf-8", "replace").decode("utf-8")


def _object(value: object, place: str) -> dict[str, Any]:
    if isinstance(value, (bytes, str)):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise MalformedMessage(f"{place} is not JSON") from None  # its error would quote what people said
    if not isinstance(value, dict):
        raise MalformedMessage(f"{place} is not an object")
    return value


def _transcription(kind: str, data: dict[str, Any]) -> Transcription:
    body = data.get("transcription")
    if not isinstance(body, dict):
        raise MalformedMessage(f"{kind} has no transcription object")
    part = body.get("translation_part_id")
    return Transcription(
        kind=kind,
        id=_text(body, "transcription_id", kind),
        # A number in text messages, a string in audio messages (3.4 notes).
        part=None if part is None else clean(str(part) if isinstance(part, (str, int, float)) else "")[:80],
        language=_text(body, "language", kind).lower(),
        text=_text(body, "text", kind),
    )


def _output_audio(kind: str, data: dict[str, Any]) -> OutputAudio:
    try:
        pcm = base64.b64decode(data["data"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise MalformedMessage(f"data of {kind} is not base64") from None
    if len(pcm) % 2:
        raise MalformedMessage(f"data of {kind} is not whole samples")
    return OutputAudio(clean(_text(data, "language", kind))[:80].lower(), pcm, data.get("last_chunk") is True)


def _current_task(kind: str, data: dict[str, Any]) -> CurrentTask:
    pipeline = _part(data, "pipeline")
    translations = pipeline.get("translations")
    targets = [
        _lowered(entry.get("target_language"))
        for entry in (translations if isinstance(translations, list) else [])
        if isinstance(entry, dict)
    ]
    return CurrentTask(
        status=_lowered(data.get("task_status")),
        source=_lowered(_part(pipeline, "transcription").get("source_language")),
        targets=tuple(target for target in targets if target),
    )


def _task_status(kind: str, data: dict[str, Any]) -> TaskStatus:
    return TaskStatus(
        command=_text(data, "command", kind), event=_text(data, "event", kind), status=_lowered(data.get("task_status"))
    )


def _error(kind: str, data: dict[str, Any]) -> CloudError:
    return CloudError(*_code_and_text(data))


def _warning(kind: str, data: dict[str, Any]) -> CloudWarning:
    return CloudWarning(*_code_and_text(data))


def _code_and_text(data: dict[str, Any]) -> tuple[str, str]:
    code = data.get("code")
    said = next((data[key] for key in ("desc", "description", "msg", "message") if data.get(key)), "")
    if not isinstance(said, str):  # validation errors came as a list of {loc, msg}, too
        try:
            said = json.dumps(said, ensure_ascii=False)
        except RecursionError:
            said = ""
    return (clean(str(code))[:80] if code and isinstance(code, (str, int)) else "UNKNOWN_ERROR"), clean(said)


def _levels(queues: dict[str, Any]) -> dict[str, QueueLevel]:
    levels = {}
    for language, queue in queues.items():
        if isinstance(queue, dict) and (current_ms := _ms(queue.get("current_queue_level_ms"))) is not None:
            levels[clean(language)[:80].lower()] = QueueLevel(current_ms, _ms(queue.get("max_queue_level_ms")))
    return levels


def _ms(value: object) -> int | None:
    # The comparison also turns away NaN and infinities, which Python's JSON lets in.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LEVEL_LIMIT_MS:
        return None
    return int(value)


def _text(body: dict[str, Any], key: str, kind: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise MalformedMessage(f"{key} of {kind} is not a string")
    return clean(value)


def _part(body: dict[str, Any], key: str) -> dict[str, Any]:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _lowered(value: object) -> str | None:
    return clean(value)[:80].lower() if isinstance(value, str) else None


_READERS: dict[str, Callable[[str, dict[str, Any]], Message]] = {
    **dict.fromkeys(TRANSCRIPTIONS, _transcription),
    "current_task": _current_task,
    "task_status": _task_status,
    "error": _error,
    "warning": _warning,
    "output_audio_data": _output_audio,
    "eos": lambda kind, data: EndOfStream(),
    "end_of_stream": lambda kind, data: EndOfStream(),
    "tts_buffer_stats": lambda kind, data: Ignored(kind),
    "pipeline_timings": lambda kind, data: Ignored(kind),
}
