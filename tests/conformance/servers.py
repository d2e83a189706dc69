"""The three servers, started and spoken to in one way: the embedded room, LiveKit 1.8.4 and LiveKit 1.13.5."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from service.sandbox import tokens
from service.sandbox.room_server import RoomServer
from service.sandbox.tokens import Grant, SigningKey
from tests.fakes.servers import serving

EMBEDDED, OLD, CURRENT = NAMES = ("embedded", "1.8.4", "1.13.5")
KEY = SigningKey("devkey", "a-loopback-secret-of-32-characters!")
BUILD = Path(__file__).parents[1] / "livekit" / "build"
START_S = 20.0


class Server:
    """A running server; every token is signed with the same key."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url
        self.faults: set[str] = set()  # switches of the embedded room
        self.room = f"room-{secrets.token_hex(4)}"

    @property
    def is_real(self) -> bool:
        """Whether it is LiveKit's own, with its server API."""
        return self.name != EMBEDDED

    def token(self, identity: str, *, valid_s: float = 600.0, key: SigningKey = KEY, **rights: bool) -> str:
        """A token for this test's room; `rights` as in Grant."""
        return tokens.mint(Grant(identity, self.room, **rights), key, now_s=time.time(), lifetime_s=valid_s)

    async def api(self, method: str, **request: Any) -> dict[str, Any]:
        """Call LiveKit's RoomService about this test's room; real servers only."""
        claims = {
            "iss": KEY.key,
            "exp": int(time.time()) + 60,
            "video": {"roomAdmin": True, "roomCreate": True, "roomList": True, "room": self.room},
        }
        headers = {"Authorization": f"Bearer {jwt.encode(claims, KEY.secret, algorithm='HS256')}"}
        url = f"{self.url}/twirp/livekit.RoomService/{method}"
        async with aiohttp.ClientSession() as http:
            async with http.post(url, json={"room": self.room} | request, headers=headers) as response:
                assert response.status == 200, f"{method}: {response.status} {await response.text()}"
                return await response.json()


@asynccontextmanager
async def embedded() -> AsyncIterator[Server]:
    """The sandbox's own room, in this process."""
    server = Server(EMBEDDED, "")
    rooms = RoomServer(
        verify=partial(tokens.verify, key=KEY),
        refresh=lambda grant: tokens.mint(grant, KEY, now_s=time.time()),
        fault=server.faults.__contains__,
        joined=lambda room, identity: None,
        left=lambda room, identity: None,
    )
    app = web.Application()
    app.add_routes(rooms.routes())
    async with serving(app) as server.url:
        yield server
        await rooms.close()


def required() -> bool:
    """Whether a missing real server is a failure, as in CI."""
    return bool(os.environ.get("REQUIRE_LIVEKIT_SERVERS"))


def binary(version: str) -> str:
    """The path of this LiveKit, built when it is not in the cache. Skips the test on a machine without Go."""
    built = subprocess.run([str(BUILD), version], capture_output=True, text=True)
    if built.returncode == 0:
        return built.stdout.strip()
    if required() or shutil.which("go"):
        pytest.fail(f"livekit-server {version} cannot be built:\n{built.stderr}", pytrace=False)
    pytest.skip(f"livekit-server {version}: not in the cache, and no Go here to build it")


@contextmanager
def real(version: str, log: Path) -> Iterator[str]:
    """The URL of a livekit-server process on loopback, killed at the end."""
    program = binary(version)
    port, tcp_port, udp_port = _free(socket.SOCK_STREAM), _free(socket.SOCK_STREAM), _free(socket.SOCK_DGRAM)
    config = f"""
port: {port}
bind_addresses: [127.0.0.1]
rtc:
  udp_port: {udp_port}
  tcp_port: {tcp_port}
  node_ip: 127.0.0.1
  use_external_ip: false
  enable_loopback_candidate: true
  interfaces: {{includes: [lo]}}
keys: {{{KEY.key}: "{KEY.secret}"}}
"""
    with log.open("w") as output:
        process = subprocess.Popen([program, "--config-body", config], stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url, process, log)
        yield url
    finally:
        process.kill()  # SIGTERM would wait for its participants
        process.wait()


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1.0):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"livekit-server does not start:\n{log.read_text()[-2000:]}")


def _free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
