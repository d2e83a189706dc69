"""On which line each key of a TOML text stands."""

from __future__ import annotations

import tomllib
from typing import Any

from service.settings.layer import Path


def toml_lines(text: str) -> dict[Path, int]:
    """The line of every table, key and array item of a valid TOML text, counted from 1.

    What stands inside a value of several lines has the line where the value starts.
    """
    return _Lines().read(text)


class _Lines:
    def __init__(self) -> None:
        self._found: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # how many [[tables]] of this path so far

    def read(self, text: str) -> dict[Path, int]:
        table: Path = ()
        statement, start = "", 1
        for number, line in enumerate(text.split("\n"), 1):
            statement += line + "\n"
            try:
                # The shortest run of lines that parses is one statement: no value can end before its line does.
                parsed = tomllib.loads(statement)
            except tomllib.TOMLDecodeError:
                continue
            if statement.lstrip().startswith("["):
                table = self._open_table(parsed, start)
            else:
                self._note(table, parsed, start)
            statement, start = "", number + 1
        return self._found

    def _open_table(self, parsed: dict[str, Any], line: int) -> Path:
        path: Path = ()
        rest: Any = parsed
        while rest:
            ((key, rest),) = rest.items()
            path += (key,)
            if isinstance(rest, list):
                self._tables[path] = self._tables.get(path, 0) + 1
                rest = rest[0]
            if path in self._tables:
                self._found.setdefault(path, line)
                path += (self._tables[path] - 1,)
            self._found.setdefault(path, line)
        return path

    def _note(self, path: Path, value: Any, line: int) -> None:
        if path:
            self._found.setdefault(path, line)
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            self._note((*path, key), item, line)
