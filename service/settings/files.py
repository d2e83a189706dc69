"""The main file and `conf.d` beside it."""

from __future__ import annotations

import os
import pathlib
import re
import tomllib

from service.settings.keys import FILES_ONLY
from service.settings.layer import Layer, Path
from service.settings.toml_lines import toml_lines


class Unreadable(Exception):
    """The text is one line that names the file, what is wrong and the remedy."""


def drop_ins(main: pathlib.Path) -> list[pathlib.Path]:
    """`conf.d/*.toml` beside the main file, in name order; hidden files are an editor's and left out."""
    directory = main.parent / "conf.d"
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreadable(f"{directory}: cannot be listed ({error.strerror}); mend or remove it") from None
    return [directory / name for name in sorted(names) if name.endswith(".toml") and not name.startswith(".")]


def file_layer(path: pathlib.Path) -> tuple[Layer, list[str]]:
    """What one TOML file says, and its mistakes that are no matter of the model. Raises Unreadable."""
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_syntax(path, text, str(error))) from None
    lines = toml_lines(text)

    def place(at: Path) -> str:
        return f"{path}:{lines[at]}" if at in lines else place(at[:-1]) if at else str(path)

    mistakes = []
    if data.pop("credentials", None) is not None:
        mistakes.append(f"{place(('credentials',))}: credentials: {FILES_ONLY}")
    return Layer(data, place), mistakes


def _text(path: pathlib.Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Unreadable(
            f"{path}: no such file; create it (the sample is deploy/boothd.toml) or name another"
        ) from None
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read ({error.strerror}); mend its type or permissions") from None
    try:
        return raw.decode("utf-8-sig")  # some editors put a byte order mark in front
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _syntax(path: pathlib.Path, text: str, message: str) -> str:
    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    line = found[1] if found else str(text.rstrip("\n").count("\n") + 1)
    column = f" at column {found[2]}" if found else ""
    what = re.sub(r" \(at .*\)$", "", message)
    twice = re.search("overwrite|twice|[Dd]uplicate|immutable", what)
    remedy = "a key or table stands only once" if twice else 'write key = value, with text in "quotes", one to a line'
    return f"{path}:{line}: TOML syntax{column}: {what}; {remedy}"
