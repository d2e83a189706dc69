"""Sound that comes in over the management socket, checked: input_audio_data (palabra-api 3.3, 3.6)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Hashable
from typing import Any

from service.sandbox.orders import Sound
from service.sandbox.task_validation import InvalidSettings

LARGEST_BYTES = 512 * 1024  # of one message's samples
AHEAD_S = 2.0  # what may have come before its time; our choice, as is that more is dropped
BEHIND_S = 5.0  # what may be made good at once after a stall; our choice
WARN_S = 1.0


class AudioInput:
    """The stream of a task's `source` settings, over the socket that is its `carrier`. Times are arguments."""

    def __init__(self, source: dict[str, Any], carrier: Hashable, now_s: float) -> None:
        self.source, self.carrier = source, carrier
        self._ends_at_s = now_s  # where the sound so far ends, had it been spoken from its arrival on
        self._warned_at_s = now_s - WARN_S

    def take(self, data: object, now_s: float) -> tuple[Sound | None, bool]:
        """One message's sound, unless it comes too early; and whether to warn of that. Raises InvalidSettings."""
        text, size = _checked(data, frame_bytes=2 * self.source["channels"])
        self._ends_at_s = max(self._ends_at_s, now_s - BEHIND_S)
        if self._ends_at_s > now_s + AHEAD_S:
            warn = now_s >= self._warned_at_s + WARN_S
            self._warned_at_s = now_s if warn else self._warned_at_s
            return None, warn
        self._ends_at_s += size / (2 * self.source["channels"] * self.source["sample_rate"])
        return Sound(text, self.source["sample_rate"], self.source["channels"]), False


def _checked(data: object, *, frame_bytes: int) -> tuple[str, int]:
    """The base64 text and the count of bytes in it."""
    text = data.get("data") if isinstance(data, dict) else None
    wrong = "Input should be base64 of whole samples"
    if isinstance(text, str):
        try:
            size = len(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            size = -1
        if 0 < size <= LARGEST_BYTES and size % frame_bytes == 0:
            return text, size
        if size > LARGEST_BYTES:
            wrong = f"Input should be at most {LARGEST_BYTES} bytes"
    raise InvalidSettings([(("data",), wrong)], "InputAudioDataMessage")
