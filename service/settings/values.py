"""The values of a settings file that TOML has no type for: durations, languages, devices, addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from service.core.devices import NumberedDevice, parse_device
from service.core.languages import AUTO, parse_code
from service.sound.cards import stable_name
from service.sound.pcm import MAX_CHANNELS

_UNITS_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_PERCENT = re.compile("(100|[0-9]{1,2})%")
SOCKET_PATH_BYTES = 107  # sockaddr_un holds 108 with its closing zero


def milliseconds(text: str) -> int:
    """ "30ms", "1.5s", "5m", "8h" in milliseconds. Raises ValueError on anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError('must be a number with its unit, for example "30ms", "10s", "5m" or "8h"')
    return round(float(match[1]) * _UNITS_MS[match[2]])


def duration(value_ms: float) -> str:
    """The same duration as a settings file writes it, in the largest unit that keeps it whole."""
    unit = next(unit for unit, size_ms in _UNITS_MS.items() if value_ms % size_ms == 0)
    return f"{value_ms / _UNITS_MS[unit]:.0f}{unit}"


@dataclass(frozen=True, slots=True)
class Duration:
    """Marks a number that TOML writes as text with a unit: `Annotated[int, Duration("20ms", "500ms")]`.

    Milliseconds in the model, or seconds with `per_s`; the bounds belong to what is allowed. What may be left out is
    `Annotated[float | None, Duration(...)]`: of another order a variable is read twice, and refused.
    """

    least: str
    most: str
    per_s: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            self._read, handler(source), serialization=core_schema.plain_serializer_function_ser_schema(self._write)
        )

    def _read(self, value: object) -> float:
        if not isinstance(value, str):
            raise ValueError(f'must be text with a unit, for example "{self.least}"')
        value_ms = milliseconds(value)
        if not milliseconds(self.least) <= value_ms <= milliseconds(self.most):
            raise ValueError(f'must be "{self.least}" to "{self.most}"')
        return value_ms / 1000 if self.per_s else value_ms

    def _write(self, value: float | None) -> str | None:
        return None if value is None else duration(value * 1000 if self.per_s else value)


def plain(text: str) -> str:
    """Text that can stand in a log line or on a page."""
    if not text.isprintable():
        raise ValueError("must be plain text; take line breaks and control characters out")
    return text


def device(text: str) -> str:
    """A device by the grammar of core/devices; the text is kept, the sound road reads it again.

    A numbered one is refused with the name of the card that it means today.
    """
    try:
        return str(parse_device(text))
    except NumberedDevice as problem:
        today = stable_name(text)
        raise ValueError(f"{problem}; today that is {today}" if today else str(problem)) from None


def channel(value: object) -> object:
    """Which channel of line-in is heard."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value  # a variable is always text
    if number in ("left", "right", "sum") or (type(number) is int and 1 <= number <= MAX_CHANNELS):
        return number
    raise ValueError(f'must be "left", "right", "sum", or the number of a channel, 1 to {MAX_CHANNELS}')


def gpio_line(value: object) -> object:
    """A line of a gpiochip: its name, or its number there."""
    if (isinstance(value, str) and value and value.isprintable()) or (type(value) is int and value >= 0):
        return value
    raise ValueError('must be the name of a line, as in "PA7", or its number on its chip')


def control(text: str) -> str:
    """What a control of a card's mixer is set to."""
    if text not in ("on", "off") and not _PERCENT.fullmatch(text):
        raise ValueError('must be "on", "off", or a level from "0%" to "100%"')
    return text


def source_code(text: str) -> str:
    """A source language, or "auto"."""
    return AUTO if text.lower() == AUTO else parse_code(text)


def target_code(text: str) -> str:
    """A target language; a translation cannot go into "auto"."""
    if text.lower() == AUTO:
        raise ValueError('"auto" is for the source only; name the language to hear, for example "es"')
    return parse_code(text)


def base_url(text: str) -> str:
    """An http or https address without a closing slash. The message never repeats it: it may hold a password."""
    try:
        parts = urlsplit(plain(text))
        host, user = parts.hostname, parts.username or parts.password
        _ = parts.port  # raises when it is not a number
    except ValueError:
        raise ValueError('is not an address; write for example "https://api.palabra.ai"') from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError('must start with https:// (or http://) and a host, as in "https://api.palabra.ai"')
    if user:
        raise ValueError("must not hold a user or password; credentials are files, see credentials in the sample")
    if parts.query or parts.fragment:
        raise ValueError('must end with the path; take away what follows "?" or "#"')
    return text.rstrip("/")


def socket_path(text: str) -> str:
    """The absolute path of a Unix socket."""
    if not plain(text).startswith("/"):
        raise ValueError('must be an absolute path, as in "/run/boothd/control.sock"')
    if len(text.encode()) > SOCKET_PATH_BYTES:
        raise ValueError(f"must be a shorter path: a socket's name holds {SOCKET_PATH_BYTES} bytes")
    return text
