"""The variables BOOTHD_*: a key's tables and name, upper-case, joined by two underscores; lists and tables as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from service.settings.keys import FILES_ONLY, Keys, all_keys, is_list, is_secret
from service.settings.layer import Layer, Path
from service.settings.model import Settings

PREFIX = "BOOTHD_"
SECRETS_DIR = "BOOTHD_SECRETS_DIR"


def variable(keys: Keys) -> str:
    """The variable of one key: BOOTHD_SESSION__INTENT."""
    return PREFIX + "__".join(keys).upper()


def environment_layer(environ: Mapping[str, str]) -> tuple[Layer, list[str]]:
    """What the variables say, and the unknown ones among them."""
    known = {variable(keys): keys for keys in all_keys(into_lists=False) if keys != ("schema",)}
    given = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name != SECRETS_DIR}
    mistakes = [_unknown(name, known) for name in sorted(given) if name not in known]

    def place(at: Path) -> str:
        exact = (variable(tuple(map(str, at[:depth]))) for depth in range(len(at), 0, -1))
        return next((name for name in exact if name in given), _below(at, known, given))

    source = _Variables({known[name]: text for name, text in given.items() if name in known})
    return Layer(source(), place), mistakes


class _Variables(EnvSettingsSource):
    """pydantic-settings' own reading of variables, from a mapping instead of the process's environment."""

    def __init__(self, given: Mapping[Keys, str]) -> None:
        super().__init__(Settings)
        self.env_vars = {PREFIX + "__".join(keys): text for keys, text in given.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """What is not JSON stays text, and the model says what it wants instead."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _below(at: Path, known: Mapping[str, Keys], given: Mapping[str, str]) -> str:
    return next((name for name in given if name in known and known[name][: len(at)] == at), PREFIX + "*")


def _unknown(name: str, known: Mapping[str, Keys]) -> str:
    levels = tuple(name.removeprefix(PREFIX).lower().split("__"))
    if is_secret(levels[-1]):
        return f"{name}: {FILES_ONLY}"
    for keys, field in all_keys(into_lists=False).items():
        if is_list(field) and levels[: len(keys)] == keys:
            return f"{name}: unknown variable; {variable(keys)} takes the whole list as JSON"
    near = get_close_matches("__".join(levels), ["__".join(keys) for keys in known.values()], n=1)
    remedy = f"did you mean {PREFIX}{near[0].upper()}?" if near else "unset it; the sample shows the keys there are"
    return f"{name}: unknown variable; {remedy}"
