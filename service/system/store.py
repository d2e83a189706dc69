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
    `problem` says what could not be read or written, until that very file is written well."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._problems: dict[str, str] = {}
        self._is_told = False  # that nothing can be written: once, until something can

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

    @property
    def problem(self) -> str | None:
        """One of them, None when all is well."""
        return next(iter(self._problems.copy().values()), None)

    def load(self, name: str) -> dict[str, Any]:
        """What was saved last; empty when nothing was, or when it cannot be read."""
        if self._directory is None:
            return {}
        try:
            return _read(self._directory / name)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as problem:
            path = self._directory / name
            log.warning("%s cannot be read and is ignored (%s)", path, type(problem).__name__)
            self._problems[name] = f"what was kept in {path} could not be read and is forgotten"
            return {}

    def save(self, name: str, data: Mapping[str, Any]) -> bool:
        """Replace it at once or not at all, and say whether it is kept now; the card is not written when nothing has
        changed."""
        if self._directory is None:
            return True
        path = self._directory / name
        with contextlib.suppress(OSError, ValueError, RecursionError):
            if _read(path) == data:
                self._problems.pop(name, None)
                return True
        try:
            _replace(path, data)
        except OSError as problem:
            if not self._is_told:
                log.warning("%s cannot be written (%s)", path, problem.strerror)
            self._is_told = True
            self._problems[name] = f"{path} cannot be written ({problem.strerror}): mend or empty its disk"
            return False
        if self._is_told:
            log.info("%s can be written again", path)
        self._is_told = False
        self._problems.pop(name, None)
        return True


def _read(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _replace(path: Path, data: Mapping[str, Any]) -> None:
    """All or nothing, also when the power goes."""
    new = path.with_suffix(".new")
    try:
        with open(new, "w", encoding="utf-8", opener=_for_the_owner) as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync_directory(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _sync_directory(path: Path) -> None:
    """Only with this the new file, and not the old one, is there after a power cut at once."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
