"""The keys of the model as people write them."""

from __future__ import annotations

from typing import get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.settings.model import Credentials, Settings

Keys = tuple[str, ...]

FILES_ONLY = (
    "is a secret and has no place here; take it out and write it to a file palabra-client-id, palabra-client-secret "
    "or palabra-api-key in the credentials directory"
)


def children(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of one table. The credentials are no key: they never stand in a file of settings."""
    return {
        field.alias or name: field for name, field in model.model_fields.items() if field.annotation is not Credentials
    }


def table_of(field: FieldInfo) -> type[BaseModel] | None:
    """The table behind a key, or behind each item of its list; None for a plain value."""
    return _model_in(field.annotation)


def all_keys(model: type[BaseModel] = Settings, above: Keys = (), *, into_lists: bool = True) -> dict[Keys, FieldInfo]:
    """Every table and key, parents first, in the order of the model; also those of the tables in lists, if asked."""
    found: dict[Keys, FieldInfo] = {}
    for key, field in children(model).items():
        found[(*above, key)] = field
        table = table_of(field)
        if table is not None and (into_lists or not is_list(field)):
            found |= all_keys(table, (*above, key), into_lists=into_lists)
    return found


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)


def is_secret(key: str) -> bool:
    """Whether somebody meant a credential by this key."""
    return key.lower().replace("-", "_").removeprefix("palabra_") in Credentials.model_fields


def is_list(field: FieldInfo) -> bool:
    """Whether the key holds several values or tables."""
    return get_origin(field.annotation) is tuple
