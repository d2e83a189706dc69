"""Transcription messages in, captions out: each once, a partial text replaced by its next (palabra-api 2.6, 3.4)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from service.core.messages import Transcription


@dataclass(frozen=True, slots=True)
class Caption:
    """A line to show. A caption replaces the shown one with the same `line`; a `final` one is not replaced any more.

    What people said stays out of the repr, and so out of logs.
    """

    line: tuple[str, str, str | None, bool]
    kind: str
    language: str
    text: str = field(repr=False)
    final: bool


class Captions:
    """Drops what was already heard: the same message can come twice in a room, and partial texts can come late.

    Remembers `limit` messages; one that comes again after that many others is taken for new.
    """

    def __init__(self, *, limit: int = 512) -> None:
        self._limit = limit
        self._heard: OrderedDict[Transcription, None] = OrderedDict()
        self._final: OrderedDict[tuple[str, str, str | None, bool], None] = OrderedDict()

    def accept(self, message: Transcription) -> Caption | None:
        """The caption of this message, None when it brings nothing new."""
        if message in self._heard:
            return None
        self._remember(self._heard, message)
        final = not message.kind.startswith("partial_")
        line = (message.id, message.language, message.part, "translated" in message.kind)
        if final:
            self._remember(self._final, line)
        elif line in self._final:
            return None
        return Caption(line=line, kind=message.kind, language=message.language, text=message.text, final=final)

    def _remember(self, memory: OrderedDict[Any, None], key: object) -> None:
        memory[key] = None
        if len(memory) > self._limit:
            memory.popitem(last=False)
