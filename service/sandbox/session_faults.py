"""How the session API misbehaves: the faults of `faults.py` that concern it, acted out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from service.sandbox import problems
from service.sandbox.faults import Faults

BIG_BODY_BYTES = 100_000_000
_GENERATION_A = {"webrtc_room_name": "room_name", "webrtc_url": "stream_url", "ws_url": "control_url"}
_PAGE = "<!doctype html><title>Sign in</title><h1>Welcome to the venue's network</h1>"
_BROKEN_PROBLEMS: list[Any] = [
    None,
    "only a text",
    {},
    {"type": "", "status": 200, "title": "bad", "detail": "no", "instance": "", "error_code": "many"},
    {"type": 5, "status": "403", "title": None, "detail": ["Insufficient"], "instance": {}, "error_code": None},
    {"detail": "Insufficient\nbalance\x00 \x1b[31mnow"},
]


async def instead(request: web.Request, faults: Faults) -> web.StreamResponse | None:
    """The answer that takes the place of creating a session, if a fault wants one."""
    if faults.on("no-balance"):
        return _refused(request, 403, "Forbidden resource", "Insufficient balance", problems.NO_BALANCE)
    if (status := faults.number("server-error")) is not None:
        return _refused(request, int(status), "Internal error", "Something broke on our side.", problems.INTERNAL)
    if (retry_after := faults.get("rate-limit")) is not None:
        answer = _refused(request, 429, "Too many requests", "Create sessions more slowly.", problems.TOO_MANY)
        answer.headers["Retry-After"] = str(retry_after)
        return answer
    if faults.on("ok-false"):
        answer = _refused(request, 403, "Forbidden resource", "Insufficient balance", problems.NO_BALANCE)
        answer.set_status(201)
        return answer
    if faults.on("bad-problem"):
        return web.json_response({"ok": False, "errors": _BROKEN_PROBLEMS}, status=403)
    if (status := faults.number("html-proxy")) is not None:
        return web.Response(status=int(status), text=_PAGE, content_type="text/html")
    if (url := faults.get("redirect")) is not None:
        return web.Response(status=307, headers={"Location": str(url)})
    return await _big_body(request) if faults.on("big-body") else None


async def answer(request: web.Request, faults: Faults, document: dict[str, Any]) -> web.StreamResponse:
    """The answer with the created session, bent, held back or never given, as the faults want it."""
    if (delay_s := faults.number("delay-create")) is not None:
        await asyncio.sleep(delay_s)
    if faults.on("never-answer"):
        await hang(request)
    body = json.dumps(_bent(faults, document)).encode()
    if faults.on("truncated-json"):
        body = body[: len(body) // 2]
    status = 200 if faults.on("status-200") else 201
    if (gap_s := faults.number("slow-loris")) is not None:
        return await _trickle(request, status, body, gap_s)
    return web.Response(status=status, body=body, content_type="application/json")


async def hang(request: web.Request) -> None:
    """Until the other side has gone. Ends in the error that aiohttp keeps for that."""
    while request.transport is not None:  # noqa: ASYNC110 (aiohttp has no event for it)
        await asyncio.sleep(0.1)
    raise ConnectionResetError("the client has gone")


def _bent(faults: Faults, document: dict[str, Any]) -> dict[str, Any]:
    data = dict(document["data"])
    if faults.on("list-publisher"):
        data["publisher"] = [data["publisher"]]
    if faults.on("generation-a"):
        data = {_GENERATION_A.get(name, name): value for name, value in data.items()}
    return data if faults.on("flat-answer") else {**document, "data": data}


def _refused(request: web.Request, status: int, title: str, detail: str, error_code: int) -> web.Response:
    found = problems.problem(status, title, detail, instance=request.path, error_code=error_code)
    return problems.refusal([found])


async def _big_body(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
    answer.content_length = BIG_BODY_BYTES
    await answer.prepare(request)
    block = b" " * 100_000
    for _ in range(BIG_BODY_BYTES // len(block)):
        await answer.write(block)
    return answer


async def _trickle(request: web.Request, status: int, body: bytes, gap_s: float) -> web.StreamResponse:
    answer = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
    answer.content_length = len(body)
    await answer.prepare(request)
    for position in range(len(body)):
        await answer.write(body[position : position + 1])
        await asyncio.sleep(gap_s)
    return answer
