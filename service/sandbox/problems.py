"""Refusals in the seed's error schema."""

from __future__ import annotations

from typing import Any

from aiohttp import web

# Of these numbers only the balance's is known from a real answer; the others are the sandbox's own.
BAD_REQUEST = 100010
BAD_FIELD = 100011
UNAUTHORIZED = 100020
NOT_FOUND = 100030
TOO_MANY = 100040
NO_BALANCE = 100050
INTERNAL = 100060

_TYPES = "https://docs.palabra.ai/docs/error_codes"


def problem(status: int, title: str, detail: str, *, instance: str, error_code: int) -> dict[str, Any]:
    """One object of `errors`."""
    anchor = title.lower().replace(" ", "")
    return {
        "type": f"{_TYPES}#{anchor}",
        "status": status,
        "title": title,
        "detail": detail,
        "instance": instance,
        "error_code": error_code,
    }


def refusal(problems: list[dict[str, Any]], *, headers: dict[str, str] | None = None) -> web.Response:
    """The answer with these problems, under the status of the first."""
    return web.json_response({"ok": False, "errors": problems}, status=problems[0]["status"], headers=headers)
