"""How answers leave: as JSON, as a stream of pictures, or as one sentence that says why not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from service.concurrency import first_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Picture = Callable[[], dict[str, Any]]
Watch = Callable[[Callable[[], None]], AbstractContextManager[None]]  # calls back at every change

CLOSING = web.AppKey("closing", asyncio.Event)
STUCK_S = 5.0
SOONEST_S = 0.05  # what changes sooner is one change
STILL_HERE = b":\n\n"  # a comment
STILL_HERE_S = 5.0  # less than half of what `client` waits for


class Refused(Exception):
    """What was asked for cannot be done now; one sentence for a person."""

    status = 409


class Unavailable(Refused):
    """There is no box to do it."""

    status = 503


class Broken(Refused):
    """The device that it takes is not there."""

    status = 502


class Body(BaseModel):
    """What a POST may hold."""

    model_config = {"extra": "forbid", "frozen": True, "strict": True}


B = TypeVar("B", bound=Body)


def current(picture: Picture) -> Handler:
    """The picture as it is now. One that touches files or devices is not for this: see `looked_up`."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(picture())

    return answer


def looked_up(picture: Picture) -> Handler:
    """A picture that takes its time, away from the event loop."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(picture))

    return answer


def stream(picture: Picture, *, every_s: float) -> Handler:
    """The picture again and again as server-sent events. Who reads slowly gets fewer of them, not old ones."""

    async def answer(request: web.Request) -> web.StreamResponse:
        shown, closing = picture(), request.app[CLOSING]
        response = await _opened(request)
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while not closing.is_set():
                await _say(response, _event(shown))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(every_s):
                        await closing.wait()
                shown = picture()
        return response

    return answer


def events(picture: Picture, watch: Watch) -> Handler:
    """The picture, and again after each change, as server-sent events; a comment now and then, so that both ends notice
    when the other is gone. Who reads slowly gets fewer of them, not old ones."""

    async def answer(request: web.Request) -> web.StreamResponse:
        changed, closing = asyncio.Event(), request.app[CLOSING]
        response = await _opened(request)
        with contextlib.suppress(ConnectionResetError, TimeoutError), watch(changed.set):
            said = _event(picture())
            while not closing.is_set():
                await _say(response, said)
                await asyncio.sleep(SOONEST_S)
                said = STILL_HERE
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STILL_HERE_S):
                        await first_of(changed.wait(), closing.wait())
                    changed.clear()
                    said = _event(picture())
        return response

    return answer


async def _opened(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    return response


def _event(picture: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(picture)}\n\n".encode()


async def _say(response: web.StreamResponse, event: bytes) -> None:
    """Raises ConnectionResetError or TimeoutError where nobody reads any more."""
    async with asyncio.timeout(STUCK_S):
        await response.write(event)


def command(body: type[B], obey: Callable[[B], dict[str, Any] | None]) -> Handler:
    """A POST of JSON (nothing else: a web page of another origin cannot send that unasked); the answer says what was
    understood, the defaults included, and what `obey` says of the box."""

    async def answer(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="the body must be JSON, with Content-Type: application/json")
        try:
            understood = body.model_validate_json(await request.read())
        except ValidationError as mistakes:
            raise web.HTTPBadRequest(text=sentence(mistakes)) from None
        said = obey(understood) or {}
        return web.json_response({**understood.model_dump(mode="json"), **said})

    return answer


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is said as {"error": one sentence}."""
    try:
        return await handler(request)
    except Refused as refusal:
        return web.json_response({"error": str(refusal)}, status=refusal.status)
    except web.HTTPError as problem:
        # aiohttp's own texts are "404: Not Found"; the place is what helps.
        own = problem.text is None or problem.text.startswith(f"{problem.status}:")
        text = f"{request.method} {request.path}: {problem.reason}" if own else problem.text
        return web.json_response({"error": text}, status=problem.status)


def sentence(mistakes: ValidationError) -> str:
    """The first of them, with the field's name."""
    first = mistakes.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else first["msg"]
