"""The server's side of the management messages, written as the chosen generation writes them (palabra-api 0.3, 3.4)."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from service.sandbox.orders import Heard, Outgoing, Said, Spoken
from service.sandbox.task_validation import CommandRefused

QUEUE_MAX_MS = 20_000


class Messages:
    """Writes what the server says, with the faults that garble it. `to` is None for everyone in the session."""

    def __init__(self, *, generation: str, fault: Callable[[str], str | None]) -> None:
        self._generation = generation
        self._fault = fault

    @property
    def generation(self) -> str:
        """ "B", "C" or "D"."""
        return self._fault("generation") or self._generation

    def error(self, to: Hashable | None, code: str, desc: str) -> list[Outgoing]:
        """A command or the task failed."""
        return self._tell(to, "error", {"code": code, "desc": desc, "param": None})

    def warning(self, to: Hashable, code: str, text: str) -> list[Outgoing]:
        """The task runs, but not as it was asked to."""
        return self._tell(to, "warning", {"code": code, "message": text})

    def current_task(self, to: Hashable, settings: dict[str, Any], status: str) -> list[Outgoing]:
        """The echo of the settings; without a status in generation B."""
        echo = dict(settings)
        if self._fault("wrong-echo") is not None:
            echo["pipeline"] = {**echo["pipeline"], "translations": [{"target_language": "sw"}]}
        if self.generation != "B":
            echo["task_status"] = status
        return self._tell(to, "current_task", echo)

    def acknowledge(self, to: Hashable, command: str, event: str, status: str, **more: str) -> list[Outgoing]:
        """A task_status, which only generation D has."""
        if self.generation != "D":
            return []
        return self._tell(to, "task_status", {"command": command, "event": event, "task_status": status, **more})

    def end_of_stream(self) -> list[Outgoing]:
        """The last message of a session, under the name of its generation."""
        return self._tell(None, "eos" if self.generation == "B" else "end_of_stream", {})

    def caption(self, event: Heard | Said, pipeline: dict[str, Any]) -> list[Outgoing]:
        """What the interpreter heard or said, if the settings allow its type."""
        body: dict[str, Any] = {"transcription_id": event.id, "language": event.language, "text": event.text}
        if isinstance(event, Heard):
            kind = "validated_transcription" if event.final else "partial_transcription"
        else:
            kind = "translated_transcription" if event.final else "partial_translated_transcription"
            body["translation_part_id"] = event.part
        if kind not in pipeline["allowed_message_types"]:
            return []
        return self._tell(None, kind, {"transcription": {**body, "segments": []}})

    def audio(self, to: Hashable, event: Spoken, form: str) -> list[Outgoing]:
        """A piece of translated sound in this format; never twice, whatever is duplicated."""
        zipped = form == "zlib_pcm_s16le"
        data = base64.b64encode(zlib.compress(base64.b64decode(event.audio))).decode() if zipped else event.audio
        body = {
            "transcription_id": event.id,
            "translation_part_id": "0",
            "language": event.language,
            "last_chunk": event.last and self._fault("no-last-chunk") is None,
            "data": data,
            "chunk_generation_delta": None,
        }
        return self._tell(to, "output_audio_data", body)[:1]

    def queue_map(self, levels_ms: Mapping[str, int], configs: dict[str, Any]) -> list[Outgoing]:
        """What waits to be spoken per language, with the limits of the settings."""
        if self._fault("no-queue-map") is not None:
            return []
        if self._fault("empty-queue-map") is not None:
            levels_ms = {}
        limits = {language: config["max_queue_level_ms"] for language, config in configs.items()}
        default_ms = limits.get("global", QUEUE_MAX_MS)
        return self._send(
            None,
            {
                language: {"current_queue_level_ms": level, "max_queue_level_ms": limits.get(language, default_ms)}
                for language, level in levels_ms.items()
            },
        )

    def _tell(self, to: Hashable | None, kind: str, data: dict[str, Any]) -> list[Outgoing]:
        body = json.dumps(data) if self._fault("string-data") is not None else data
        return self._send(to, {"message_type": kind, "data": body})

    def _send(self, to: Hashable | None, message: dict[str, Any]) -> list[Outgoing]:
        if self._fault("drop-messages") is not None:
            return []
        outgoing = Outgoing(json.dumps(message).encode(), to)
        return [outgoing] * (1 if self._fault("duplicates") is None else 2)


def opened(payload: bytes | str) -> tuple[str, Any]:
    """The kind and the data of a client's message; the data may be JSON text once more, or absent.

    Raises CommandRefused for what is none.
    """
    try:
        envelope = json.loads(payload)
        kind, data = envelope["message_type"], envelope.get("data")
        if isinstance(kind, str):
            return kind, json.loads(data) if isinstance(data, str) else data
    except (ValueError, RecursionError, TypeError, LookupError):
        pass
    raise CommandRefused("INVALID_MESSAGE", "Not a JSON object with message_type")
