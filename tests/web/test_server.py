import socket as socket_module
import stat
from pathlib import Path

import pytest

from service.core.errors import BadSettings
from service.web.server import NotReachable, application, fetch_status, serve


async def test_status_goes_over_the_socket_and_the_socket_is_private(tmp_path: Path):
    socket = tmp_path / "run" / "control.sock"
    async with serve(application(status=lambda: {"phase": "ready"}), socket):
        assert await fetch_status(socket) == {"phase": "ready"}
        assert stat.S_IMODE(socket.stat().st_mode) == 0o660
    assert not socket.exists()
    with pytest.raises(NotReachable, match=str(socket)):
        await fetch_status(socket)


async def test_a_socket_left_by_a_killed_daemon_is_taken_over(tmp_path: Path):
    socket = tmp_path / "control.sock"
    with socket_module.socket(socket_module.AF_UNIX) as left_behind:
        left_behind.bind(str(socket))
    async with serve(application(status=dict), socket):
        assert await fetch_status(socket) == {}


async def test_a_path_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSettings, match="http.socket: .*file/control.sock"):
        async with serve(application(status=dict), tmp_path / "file" / "control.sock"):
            pass


async def test_a_daemon_that_lives_keeps_its_socket(tmp_path: Path):
    socket = tmp_path / "control.sock"
    async with serve(application(status=lambda: {"phase": "live"}), socket):
        with pytest.raises(BadSettings, match="another daemon answers"):
            async with serve(application(status=dict), socket):
                pass
        assert await fetch_status(socket) == {"phase": "live"}
