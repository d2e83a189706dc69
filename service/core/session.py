"""The seed's endpoint as data: what is asked, what is granted (palabra-api 1.2)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from service.core.errors import BadSettings, CloudUnreachable, FaultCode
from service.core.problems import error_for, load_json, parse_problems

MAX_SUBSCRIBERS = 10
INTENTS = ("api", "broadcaster", "desktop")
MINIMAL_BODY: dict[str, Any] = {"data": {"intent": "api"}}
ENCRYPTED = ("https", "wss")


@dataclass(frozen=True, slots=True)
class ClientPair:
    """Credentials of the older console. Raises BadSettings if a header cannot carry them."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_header_value("client_id", self.client_id)
        _check_header_value("client_secret", self.client_secret)

    def headers(self) -> dict[str, str]:
        return {"ClientId": self.client_id, "ClientSecret": self.client_secret}

    def secrets(self) -> tuple[str, ...]:
        """What must appear in no text."""
        return (self.client_id, self.client_secret)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A platform API key. Raises BadSettings if a header cannot carry it."""

    key: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_header_value("api_key", self.key)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def secrets(self) -> tuple[str, ...]:
        """What must appear in no text."""
        return (self.key,)


Credentials = ClientPair | ApiKey


def owner_of(credentials: Credentials) -> str:
    """The same text for the same credentials, and nothing else: whoever reads it can only try out guesses, slowly."""
    return hashlib.scrypt("\n".join(credentials.secrets()).encode(), salt=b"boothd", n=2**12, r=8, p=1, dklen=8).hex()


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What is asked for. Raises BadSettings outside the seed's limits.

    `publisher_can_subscribe` is not in the seed and is sent only when on (palabra-api 1.2).
    """

    subscriber_count: int = 0
    intent: str = "api"
    publisher_can_subscribe: bool = False

    def __post_init__(self) -> None:
        if type(self.subscriber_count) is not int or not 0 <= self.subscriber_count <= MAX_SUBSCRIBERS:
            raise BadSettings(f"subscriber_count: give a whole number from 0 to {MAX_SUBSCRIBERS}")
        if self.intent not in INTENTS:
            raise BadSettings(f"intent: give one of {', '.join(INTENTS)}")

    def body(self) -> dict[str, Any]:
        """The JSON document of the request."""
        data: dict[str, Any] = {"subscriber_count": self.subscriber_count, "intent": self.intent}
        if self.publisher_can_subscribe:
            data["publisher_can_subscribe"] = True
        return {"data": data}


@dataclass(frozen=True, slots=True)
class Session:
    """What the cloud grants: a room, its tokens, an end. Tokens and id are secrets and stay out of the repr.

    `id` is empty if the cloud named none: such a session cannot be deleted, only left to lapse.
    """

    id: str = field(repr=False)
    publisher: str = field(repr=False)
    subscribers: tuple[str, ...] = field(repr=False)
    room_name: str
    webrtc_url: str = field(repr=False)
    ws_url: str | None = field(repr=False)


def parse_created(status: int, body: bytes, *, encrypted_only: bool = False, secrets: tuple[str, ...] = ()) -> Session:
    """The session of a 2xx answer, in every shape of palabra-api 1.2.

    Raises the error of `error_for` on `ok: false`, CloudUnreachable on an answer without a token or a room URL, and
    with `encrypted_only` on a URL that is not. No error repeats any part of the answer but its problems' texts.
    """
    document = load_json(body)
    if not isinstance(document, dict):
        raise CloudUnreachable(
            f"the answer to the session request ({status}) is not JSON; a proxy or a sign-in page may have given it"
        )
    if document.get("ok") is False:
        raise error_for(status, parse_problems(status, body, secrets=secrets))
    data = _data(document)
    publisher = next(iter(_strings(data.get("publisher"))), None)
    webrtc_url = _string(data, "webrtc_url", "stream_url")
    if publisher is None or not _fits_header(publisher):
        raise _malformed("has no usable publisher token")
    if webrtc_url is None:
        raise _malformed("has no webrtc_url")
    ws_url = _string(data, "ws_url", "control_url")
    _check_url("webrtc_url", webrtc_url, encrypted_only)
    if ws_url is not None:
        _check_url("ws_url", ws_url, encrypted_only)
    return Session(
        id=created_id(body) or "",
        publisher=publisher,
        subscribers=_strings(data.get("subscriber")),
        room_name=_string(data, "webrtc_room_name", "room_name") or "",
        webrtc_url=webrtc_url,
        ws_url=ws_url,
    )


def created_id(body: bytes) -> str | None:
    """The id by which a created session is deleted, also where the rest of the answer is unusable."""
    document = load_json(body)
    found = _string(_data(document), "id") if isinstance(document, dict) else None
    return None if found in (".", "..") else found  # these two cannot be one path segment


def claims(token: str) -> dict[str, Any] | None:
    """What a JWT says, unverified; None if it cannot be read. For diagnostics: nothing is decided by it."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        found = load_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _data(document: dict[str, Any]) -> dict[str, Any]:
    data = document.get("data")
    return data if isinstance(data, dict) else document


def _string(data: dict[str, Any], *names: str) -> str | None:
    """The first of these fields that holds a text fit for a URL or a log."""
    values = (data.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value and value.isprintable()), None)


def _strings(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(item for item in values if isinstance(item, str) and item)


def _check_url(name: str, url: str, encrypted_only: bool) -> None:
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if scheme not in (*ENCRYPTED, "http", "ws") or not host:
        raise _malformed(f"has a {name} that is no URL")
    if encrypted_only and scheme not in ENCRYPTED:
        raise _malformed(f"has a {name} without encryption ({scheme}:), which is refused")


def _malformed(what: str) -> CloudUnreachable:
    return CloudUnreachable(f"the answer to the session request {what}", code=FaultCode.SERVICE)


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value


def _check_header_value(name: str, value: str) -> None:
    if not value or not _fits_header(value):
        raise BadSettings(f"{name}: empty, or holds a space, line break or other character no HTTP header can carry")
