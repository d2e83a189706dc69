"""The latest Status, and those who watch it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from service.core.lamps import still_acknowledged
from service.core.status import Status


class Board:
    """One picture, replaced whole. Event loop only. `hide` takes secrets out of what others have said."""

    def __init__(self, status: Status | None = None, *, hide: Callable[[str], str] = str) -> None:
        self.status, self._hide = status or Status(), hide
        self._watchers: list[Callable[[Status, Status], None]] = []

    def watch(self, watcher: Callable[[Status, Status], None]) -> None:
        """Call `watcher(before, after)` at every change."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[Status, Status], None]) -> None:
        """Call it no more."""
        self._watchers.remove(watcher)

    @contextmanager
    def watched(self, changed: Callable[[], None]) -> Iterator[None]:
        """Call it at every change until the end of the block."""

        def watcher(_: Status, __: Status) -> None:
            changed()

        self.watch(watcher)
        try:
            yield
        finally:
            self.unwatch(watcher)

    async def until(self, condition: Callable[[Status], bool]) -> None:
        """Wait until the status meets the condition; it may have changed again when this returns."""
        met = asyncio.Event()

        def look(_: Status, status: Status) -> None:
            if condition(status):
                met.set()

        look(self.status, self.status)
        self.watch(look)
        try:
            await met.wait()
        finally:
            self.unwatch(look)

    def update(self, **changes: Any) -> None:
        """Replace fields of the status; watchers hear of it only when something differs."""
        before, after = self.status, replace(self.status, **self._without_secrets(changes))
        if after.acknowledged is not None:
            after = replace(after, acknowledged=still_acknowledged(after))
        if after != before:
            self.status = after
            for watcher in list(self._watchers):
                watcher(before, after)

    def _without_secrets(self, changes: dict[str, Any]) -> dict[str, Any]:
        fault, refusal = changes.get("fault"), changes.get("refusal")
        if fault is not None:
            fault = replace(fault, detail=self._hide(fault.detail))
            changes = changes | {"fault": fault, "last_fault": fault}
        return changes if refusal is None else changes | {"refusal": self._hide(refusal)}
