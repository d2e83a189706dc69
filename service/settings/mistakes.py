"""What pydantic found wrong, said to the person who wrote it: place, key, what is wrong, remedy; one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from service.settings import clashes
from service.settings.keys import FILES_ONLY, all_keys, children, is_secret, table_of
from service.settings.layer import Layer, Path, place_of
from service.settings.model import Settings

_TEXTS = {
    "string_type": 'must be text in quotes, as in key = "text"',
    "string_too_short": "must not be empty; write something or take the key away",
    "int_type": "must be a whole number, without quotes",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false, without quotes",
    "tuple_type": "must be a list, as in [ ... ]",
    "dict_type": "must be a table, as in {{ key = value }}",
    "model_type": "must be a table, as in {{ key = value }}",
    "missing": "is missing; add it",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less",
}


def explain(error: ValidationError, layers: Sequence[Layer], *, missing: bool = True) -> list[str]:
    """One line for each mistake. The value of an unknown key is never repeated: it may be a secret in a wrong place."""
    lines = []
    for found in error.errors(include_url=False):
        if found["type"] == "missing" and not missing:
            continue
        for path, text in _mistakes(tuple(found["loc"]), dict(found)):
            key = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
            lines.append(f"{place_of(path, layers)}: {key}: {text}")
    return lines


def _mistakes(path: Path, found: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    context = found.get("ctx", {})
    kind = found["type"]
    if kind == clashes.TYPE:
        yield from ((path + clash.at, clash.text) for clash in context[clashes.TYPE])
    elif kind == "extra_forbidden":
        yield path, _unknown(path)
    elif kind == "value_error":
        yield path, str(context["error"])
    elif kind == "literal_error":
        yield path, "must be " + context["expected"].replace("'", '"')
    elif kind == "tuple_type" and path in (("pair",), ("audio", "output", "route")):
        yield path, f"must be a list of tables; write [[{'.'.join(map(str, path))}]] with two brackets on each side"
    elif kind in ("model_type", "missing") and "pin" in children(_table(path)):
        yield path, 'must be a table with its pin, as in { pin = 17 }, or with its line, as in { line = "PA7" }'
    else:
        yield path, _TEXTS[kind].format(**context) if kind in _TEXTS else found["msg"]


def _unknown(path: Path) -> str:
    key = str(path[-1])
    if is_secret(key):
        return FILES_ONLY
    siblings = list(children(_table(path[:-1])))
    near = get_close_matches(key.lower(), siblings, n=1)
    if near:
        return f'unknown key; did you mean "{near[0]}"?'
    homes = [keys[:-1] for keys in all_keys() if keys[-1] == key]
    if len(homes) == 1:
        return f"unknown key here; it belongs {'in [' + '.'.join(homes[0]) + ']' if homes[0] else 'at the top'}"
    return f"unknown key; take it away, known here: {', '.join(siblings)}"


def _table(path: Path) -> type[BaseModel]:
    """The table that the model has at a path."""
    table: type[BaseModel] = Settings
    for step in path:
        if isinstance(step, str):
            table = table_of(children(table)[step]) or table
    return table
