"""What the cloud says when it refuses: the seed's error schema as data, and the error of the box it becomes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from service.core.errors import CloudBusy, CloudRejected, CloudUnreachable, FaultCode, ServiceError
from service.core.redaction import hide

MAX_TEXT = 300  # characters of one text of the cloud that are shown
MAX_SHOWN = 10  # problems of one answer that are shown
MAX_WAIT_S = 3600.0  # a longer Retry-After would park the box for the day
BUSY_WAIT_S = 30.0  # after a 429 that names no time (palabra-api 1.4)


@dataclass(frozen=True, slots=True)
class Problem:
    """One object of the seed's `errors`. Texts are fit to be shown; `status` is the answer's where it has none.

    `instance` may name a session and stays out of the repr.
    """

    status: int
    title: str
    detail: str
    type: str = ""
    instance: str = field(default="", repr=False)
    error_code: int | None = None


def load_json(body: bytes) -> Any:
    """The document, None for whatever is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def clean(text: str, secrets: tuple[str, ...] = ()) -> str:
    """A foreign text for one line of a lamp, page or journal: bounded, without control characters, secrets hidden."""
    text = hide(text, secrets)[: 2 * MAX_TEXT]
    text = "".join(char if char.isprintable() else " " for char in text).strip()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def parse_problems(status: int, body: bytes, *, secrets: tuple[str, ...] = ()) -> tuple[Problem, ...]:
    """Every problem of an error answer, at least one. Never fails: what breaks the schema is filled up.

    The ladder of palabra-api 1.4: `errors`, then `error`, then the words of the HTTP status.
    `secrets` are hidden should the answer repeat them.
    """
    document = load_json(body)
    errors: object = None
    if isinstance(document, dict):
        errors = document.get("errors") or document.get("error")
    if not isinstance(errors, list):
        errors = [errors]
    problems = tuple(_problem(status, item, secrets) for item in errors if isinstance(item, dict | str) and item)
    return problems or (_problem(status, "", secrets),)


def _problem(status: int, item: dict[str, Any] | str, secrets: tuple[str, ...]) -> Problem:
    fields = {"detail": item} if isinstance(item, str) else item

    def text(name: str) -> str:
        value = fields.get(name)
        return clean(value, secrets) if isinstance(value, str) else ""

    own_status = _number(fields.get("status"))
    title = text("title") or _phrase(status)
    return Problem(
        status=own_status if own_status is not None and 399 < own_status < 600 else status,
        title=title,
        detail=text("detail") or title,
        type=text("type"),
        instance=text("instance"),
        error_code=_number(fields.get("error_code")),
    )


def _number(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _phrase(status: int) -> str:
    if status < 400:
        return "no reason given"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """The wait a Retry-After asks for, in seconds from `now_s` (epoch), at most MAX_WAIT_S; None if it says nothing."""
    if header is None:
        return None
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header, re.ASCII):
        return min(float(header), MAX_WAIT_S)
    try:
        when = parsedate_to_datetime(header)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return min(max(0.0, when.timestamp() - now_s), MAX_WAIT_S)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def error_for(status: int, problems: tuple[Problem, ...], wait_s: float | None = None) -> ServiceError:
    """The error of the box for a refused session, sorted by who mends it (palabra-api 1.4).

    `wait_s` is what Retry-After asked for. The text holds the detail of every problem.
    """
    if status < 300 and problems:  # `ok: false` in a 2xx: only the problem knows
        status = problems[0].status
    said = f"({status}): {_said(problems)}"
    if 300 <= status < 400:
        return CloudUnreachable(
            f"the cloud answers with a redirect ({status}), which is refused since it would carry the credentials "
            "elsewhere; check the base URL and the network's sign-in page"
        )
    if status == 401:
        return CloudRejected(f"the cloud refuses the credentials {said}", retry_s=180.0)
    if status == 404:  # how the older system refuses an unknown client (palabra-api 1.4)
        return CloudRejected(f"the cloud knows no such credentials, or the base URL is wrong {said}", retry_s=180.0)
    if status in (402, 403):
        return CloudRejected(f"the cloud refuses a session {said}", retry_s=60.0)
    if status in (409, 429):
        return CloudBusy(f"the cloud asks to come back later {said}", retry_after_s=wait_s or BUSY_WAIT_S)
    if status in (408, 425) or status >= 500:
        return CloudUnreachable(f"the cloud has trouble {said}", code=FaultCode.SERVICE, retry_after_s=wait_s or 0.0)
    if status >= 400:
        return CloudRejected(f"the cloud refuses the request {said}", code=FaultCode.SERVICE, retry_s=300.0)
    return CloudUnreachable(f"the cloud's answer makes no sense {said}", code=FaultCode.SERVICE)


def _said(problems: tuple[Problem, ...]) -> str:
    shown = [
        problem.detail if problem.error_code is None else f"{problem.detail} [{problem.error_code}]"
        for problem in problems[:MAX_SHOWN]
    ]
    if len(problems) > MAX_SHOWN:
        shown.append(f"and {len(problems) - MAX_SHOWN} more")
    return "; ".join(shown)
