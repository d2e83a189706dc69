"""Settings as text for a person: all effective values, what differs from the defaults, no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from service.settings.model import Settings
from service.settings.pins import Pin
from service.settings.secrets import FILES
from service.settings.section import Section

_MASK = "********"
_LISTS = ("pair", "route")  # of tables with a heading each


def effective(settings: Settings) -> str:
    """Every value as a TOML file would write it; `# default: ...` marks what differs, a comment what is not set.

    Reading the text back gives the same settings, but for the credentials, of which it only names the kind.
    """
    secrets = [f"# {name} = {_MASK}" for key, name in FILES.items() if getattr(settings.credentials, key) is not None]
    return "\n".join([*_table("", settings, Settings()), "", "# Credentials:", *(secrets or ["# none"])]) + "\n"


def differences(running: Settings, loaded: Settings) -> tuple[str, ...]:
    """The keys whose values differ, as in "session.intent"; of the credentials only that they do."""
    return tuple(_differing("", running, loaded))


def _differing(above: str, one: BaseModel, other: BaseModel) -> Iterator[str]:
    for key, mine, theirs in _fields(one, other):
        if _is_table(mine):
            yield from _differing(f"{above}{key}.", mine, theirs)
        elif mine != theirs:
            yield above + key
    if isinstance(one, Settings) and isinstance(other, Settings) and one.credentials != other.credentials:
        yield "credentials"


def _table(name: str, table: BaseModel, usual: BaseModel) -> Iterator[str]:
    """The plain values first, then the tables below, as TOML wants it."""
    shown, defaults = (model.model_dump(mode="json", by_alias=True) for model in (table, usual))
    below = []
    for key, value, standard in _fields(table, usual):
        if _is_table(value):
            below.append((f"{name}.{key}".lstrip("."), value, standard))
        elif key in _LISTS:
            below += [(f"{name}.{key}".lstrip("."), item, None) for item in value]
        elif shown[key] in (None, {}):
            yield f"# {key} is not set"
        else:
            yield f"{key} = {_value(shown[key])}{_mark(defaults[key]) if value != standard else ''}"
    for inner, value, standard in below:
        yield from _item(inner, value) if standard is None else _headed(inner, value, standard)


def _headed(name: str, table: BaseModel, usual: BaseModel) -> Iterator[str]:
    lines = list(_table(name, table, usual))
    if lines[0]:  # a table that holds only tables needs no heading of its own
        yield from ("", f"[{name}]")
    yield from lines


def _item(name: str, table: BaseModel) -> Iterator[str]:
    yield from ("", f"[[{name}]]  # default: no {name.rpartition('.')[2]}s")
    for key, value in table.model_dump(mode="json", by_alias=True, exclude_defaults=True).items():
        yield f"{key} = {_value(value)}"


def _fields(one: BaseModel, other: BaseModel) -> Iterator[tuple[str, Any, Any]]:
    for field, info in type(one).model_fields.items():
        if field != "credentials":
            yield info.alias or field, getattr(one, field), getattr(other, field)


def _is_table(value: object) -> bool:
    return isinstance(value, Section) and not isinstance(value, Pin)  # pins are written in line: { pin = 5 }


def _mark(usual: object) -> str:
    return f"  # default: {'not set' if usual in (None, [], {}) else _value(usual)}"


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{ "
            + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items() if inner is not None)
            + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # text, numbers and booleans are the same in JSON and TOML
