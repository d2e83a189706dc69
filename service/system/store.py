"""Small facts that outlive the process, in systemd's state directory."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class Store:
    """One JSON file per name, replaced whole. Without STATE_DIRECTORY nothing is kept. Never raises."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        directory = environ.get("STATE_DIRECTORY", "").split(":")[0]
        self._directory = Path(directory) if directory else None

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
            return
        path = self._directory / name
        new = path.with_suffix(".new")
        try:
            with new.open("w", encoding="utf-8") as file:
                json.dump(data, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError as problem:
            log.warning("%s cannot be written (%s)", path, problem.strerror)
            with contextlib.suppress(OSError):
                new.unlink()
