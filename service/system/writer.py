"""Saves beside the event loop: a memory card takes its time, and the sound must not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from service.system.store import Store

AGAIN_S = 10.0


class Writer:
    """Saves into `store` on a thread of its own, begun with the first save. Of several for one name the last counts;
    what cannot be written is tried again every `again_s`."""

    def __init__(self, store: Store, *, again_s: float = AGAIN_S) -> None:
        self._store, self._again_s = store, again_s
        self._due: dict[str, Mapping[str, Any]] = {}
        self._changed = threading.Condition()
        self._begun = self._done = 0  # rounds, in which all that is due is tried
        self._thread: threading.Thread | None = None

    def save(self, name: str, data: Mapping[str, Any]) -> None:
        """Soon."""
        if self._store.directory is None:
            return
        with self._changed:
            self._due[name] = dict(data)
            self._changed.notify_all()
            if self._thread is None:
                # A daemon thread, for a disk that hangs must not keep the process from ending.
                self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()

    def flush(self, limit_s: float) -> None:
        """Wait until all that is due was tried once more, so long at most."""
        with self._changed:
            round_to_come = self._begun + 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._due or self._done >= round_to_come, limit_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._begun += 1
                due = dict(self._due)
            kept = {name for name, data in due.items() if self._store.save(name, data)}
            with self._changed:
                for name in kept:
                    if self._due[name] is due[name]:
                        del self._due[name]
                self._done = self._begun
                self._changed.notify_all()
                if not self._due:
                    self._changed.wait_for(lambda: self._due)
                elif all(due.get(name) is data for name, data in self._due.items()):
                    self._changed.wait(self._again_s)
