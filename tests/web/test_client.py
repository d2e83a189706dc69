import asyncio
import os
from contextlib import contextmanager

import pytest
from aiohttp import web

from service.web import answers, client
from service.web.answers import Body, Refused, command, current, events, stream
from service.web.client import Declined, NoAccess, NotReachable, fetch, follow, send
from service.web.server import application, serve


@contextmanager
def never(changed):
    """A picture that does not change."""
    yield


class Anything(Body):
    size: int = 1


@pytest.fixture
async def socket(tmp_path):
    def refuse(order: Anything) -> None:
        if order.size > 1:
            raise Refused("too large")

    async def garbage(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    counted = iter(range(100))
    routes = [
        web.get("/picture", current(lambda: {"a": 1})),
        web.get("/numbers", stream(lambda: {"n": next(counted)}, every_s=0.001)),
        web.get("/changes", events(lambda: {"n": next(counted)}, never)),
        web.post("/order", command(Anything, refuse)),
        web.get("/garbage", garbage),
    ]
    path = tmp_path / "control.sock"
    async with serve(application(routes), path):
        yield path


async def test_pictures_commands_and_streams(socket):
    assert await fetch(socket, "/picture") == {"a": 1}
    assert await send(socket, "/order", {}) == {"size": 1}
    numbers = follow(socket, "/numbers")
    assert [(await anext(numbers))["n"] for _ in range(3)] == [0, 1, 2]
    await numbers.aclose()


async def test_the_daemons_own_sentence_comes_through(socket):
    with pytest.raises(Declined, match="^too large$") as refusal:
        await send(socket, "/order", {"size": 2})
    assert refusal.value.status == 409
    with pytest.raises(Declined, match="^size: ") as refusal:
        await send(socket, "/order", {"size": "x"})
    assert refusal.value.status == 400


async def test_whatever_does_not_speak_as_a_daemon_is_none(socket, tmp_path):
    for path in (socket, tmp_path / "nobody.sock"):
        with pytest.raises(NotReachable, match=str(path)):
            await fetch(path, "/garbage")


async def test_a_socket_that_is_not_for_us_is_another_matter(socket):
    socket.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may open every socket
    try:
        with pytest.raises(NoAccess, match="group"):
            await fetch(socket, "/picture")
    finally:
        os.seteuid(user)


async def test_a_daemon_that_has_nothing_to_say_is_not_taken_for_dead(socket, monkeypatch):
    assert client.SILENT_S > 2 * answers.STILL_HERE_S
    monkeypatch.setattr(client, "SILENT_S", 0.5)
    monkeypatch.setattr(answers, "STILL_HERE_S", 0.05)
    changes = follow(socket, "/changes")
    assert await anext(changes) == {"n": 0}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.8):
            await anext(changes)
    await changes.aclose()


async def test_one_that_hangs_is(socket, monkeypatch):
    monkeypatch.setattr(client, "SILENT_S", 0.1)
    changes = follow(socket, "/changes")
    await anext(changes)
    with pytest.raises(NotReachable):
        await anext(changes)
