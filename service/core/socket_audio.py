"""Sound over the management WebSocket in the cloud's words (palabra-api 3.3, 3.5, 4.1): what a command becomes there,
the message that carries line-in, and when the cloud wants to hear it. `core/messages.py` reads what comes back.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from service.core.messages import CloudError, CurrentTask, EndOfStream, Message, TaskStatus

RATE_HZ = 24_000  # what the cloud sends always, and we send the same; mono s16 little-endian
CHUNK_MS = 320  # the advised size of one message
MAX_QUEUE_MS = 20_000  # what may wait to be spoken where the settings do not say (palabra-api 4.5)
_STREAMS: dict[str, Any] = {
    "input_stream": {
        "content_type": "audio",
        "source": {"type": "ws", "format": "pcm_s16le", "sample_rate": RATE_HZ, "channels": 1},
    },
    "output_stream": {"content_type": "audio", "target": {"type": "ws", "format": "pcm_s16le"}},
}


@dataclass(frozen=True, slots=True)
class Command:
    """One of our commands as it is said over the socket. `targets` are those of a set_task, else empty; so much of
    the speech of each may wait, above it the oldest is dropped: the most that one of them is allowed."""

    kind: str
    payload: bytes
    targets: tuple[str, ...] = ()
    max_queue_ms: int = MAX_QUEUE_MS


def over_socket(payload: bytes) -> Command:
    """The command of `core/task_settings.py`, with a set_task's two streams turned into those of the socket."""
    message = json.loads(payload)
    kind, data = message["message_type"], message["data"]
    if kind != "set_task":
        return Command(kind, payload)
    pipeline = data["pipeline"]
    targets = tuple(translation["target_language"] for translation in pipeline["translations"])
    queues = pipeline.get("translation_queue_configs", {})
    levels_ms = [
        queues.get(target, queues.get("global", {})).get("max_queue_level_ms", MAX_QUEUE_MS) for target in targets
    ]
    return Command(kind, _encode(kind, data | _STREAMS), targets, max(levels_ms, default=MAX_QUEUE_MS))


def input_audio(pcm: bytes) -> bytes:
    """One chunk of line-in: mono s16 little-endian at RATE_HZ."""
    return _encode("input_audio_data", {"data": base64.b64encode(pcm).decode()})


class Readiness:
    """Whether the cloud hears what is sent now: what it is sent before is to be dropped, not kept."""

    def __init__(self) -> None:
        self.ready = False
        self._asked = False  # the last word on it was set_task

    def said(self, kind: str) -> None:
        """A command of this kind goes out."""
        if kind == "set_task":
            self._asked = True
        elif kind in ("pause_task", "end_task"):
            self._asked = self.ready = False

    def heard(self, message: Message) -> None:
        """The cloud said this."""
        match message:
            case TaskStatus(status=status) | CurrentTask(status=status) if status in ("running", None):
                self.ready = self._asked
            case TaskStatus() | CurrentTask() | CloudError(code="NOT_FOUND" | "SERVICE_TIMEOUT") | EndOfStream():
                self.ready = False


def _encode(kind: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"message_type": kind, "data": data}, separators=(",", ":")).encode()
