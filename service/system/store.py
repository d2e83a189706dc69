"""Small facts that outlive the process: in systemd's state directory for good, in its runtime one until a reboot."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

# The unit's directory that stays when a process ends, also by a crash; where there is no such unit, the runtime one.
OVER_A_CRASH = ("KEPT_DIRECTORY", "RUNTIME_DIRECTORY")
LAMPS = "lamps.json"  # which pins the lamps are on, for `boothd-lamps-safe`


class Store:
    """One JSON file per name, replaced whole, for its owner alone. Without a directory nothing is kept. Never raises;
    `problem` says what went wrong with the last write, None when it went well."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self.problem: str | None = None

    @classmethod
    def of_unit(cls, environ: Mapping[str, str], *variables: str) -> Store:
        """In the first directory that systemd names in the first of these variables, such as STATE_DIRECTORY, that is
        set."""
        named = next((environ[name] for name in variables if environ.get(name)), "")
        directory = named.split(":")[0]
        return cls(Path(directory) if directory else None)

    @property
    def directory(self) -> Path | None:
        """Where it keeps things."""
        return self._directory

    def load(self, name: str) -> dict[str, Any]:
        """What was saved last; empty when nothing was, or when it cannot be read."""
        if self._directory is None:
            return {}
        try:
            found = json.loads((self._directory / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as problem:
            log.warning("%s cannot be read and is ignored (%s)", self._directory / name, type(problem).__name__)
            return {}
        return found if isinstance(found, dict) else {}

    def save(self, name: str, data: Mapping[str, Any]) -> None:
        """Replace it at once or not at all; the card is not written when nothing has changed."""
        if self._directory is None or self.load(name) == data:
            self.problem = None
            return
        path = self._directory / name
        new = path.with_suffix(".new")
        try:
            with open(new, "w", encoding="utf-8", opener=_for_the_owner) as file:
                json.dump(data, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
            self.problem = None
        except OSError as problem:
            if self.problem is None:
                log.warning("%s cannot be written (%s)", path, problem.strerror)
            self.problem = f"{path} cannot be written ({problem.strerror}): mend or empty its disk"
            with contextlib.suppress(OSError):
                new.unlink()


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
