import asyncio
import socket as socket_module
import stat
from pathlib import Path

import pytest
from aiohttp import web

from service.core.errors import BadSettings
from service.web.answers import current, stream
from service.web.client import NotReachable, fetch, follow
from service.web.server import application, serve


def showing(picture: dict[str, str]) -> web.Application:
    return application([web.get("/v1/status", current(lambda: picture))])


async def test_status_goes_over_the_socket_and_the_socket_is_private(tmp_path: Path):
    socket = tmp_path / "run" / "control.sock"
    async with serve(showing({"phase": "ready"}), socket):
        assert await fetch(socket, "/v1/status") == {"phase": "ready"}
        assert stat.S_IMODE(socket.stat().st_mode) == 0o660
    assert not socket.exists()
    with pytest.raises(NotReachable, match=str(socket)):
        await fetch(socket, "/v1/status")


async def test_a_socket_left_by_a_killed_daemon_is_taken_over(tmp_path: Path):
    socket = tmp_path / "control.sock"
    with socket_module.socket(socket_module.AF_UNIX) as left_behind:
        left_behind.bind(str(socket))
    async with serve(showing({}), socket):
        assert await fetch(socket, "/v1/status") == {}


async def test_a_path_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSettings, match="http.socket: .*file/control.sock"):
        async with serve(showing({}), tmp_path / "file" / "control.sock"):
            pass


async def test_a_daemon_that_lives_keeps_its_socket(tmp_path: Path):
    socket = tmp_path / "control.sock"
    async with serve(showing({"phase": "live"}), socket):
        with pytest.raises(BadSettings, match="another daemon answers"):
            async with serve(showing({}), socket):
                pass
        assert await fetch(socket, "/v1/status") == {"phase": "live"}


async def test_whoever_follows_a_stream_does_not_hold_the_end_up(tmp_path: Path):
    socket, seen = tmp_path / "control.sock", []

    async def watch() -> None:
        async for picture in follow(socket, "/stream"):
            seen.append(picture)

    async with serve(application([web.get("/stream", stream(lambda: {}, every_s=60.0))]), socket):
        watching = asyncio.create_task(watch())
        while not seen:
            await asyncio.sleep(0.005)
    with pytest.raises(NotReachable, match="has ended"):  # in order; cut off after a second it were another sentence
        await watching
