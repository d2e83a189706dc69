"""The three servers, started and spoken to in one way: the embedded room, LiveKit 1.8.4 and LiveKit 1.13.5."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
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


@asynccontextmanager
async def running(name: str, log: Path) -> AsyncIterator[Server]:
    """Any of `NAMES`, with a room of its own; a real one writes its log there."""
    if name == EMBEDDED:
        async with embedded() as server:
            yield server
    else:
        with real(name, log) as url:
            yield Server(name, url)


def installed(program: str, *, package: str) -> str:
    """The path of a program of this Debian package. Skips the test where it is missing; fails it in CI."""
    for folder in (os.environ["PATH"], "/usr/sbin:/sbin"):
        if path := shutil.which(program, path=folder):
            return path
    missing = f"{program} is not tried: install Debian's {package}"
    pytest.fail(missing, pytrace=False) if required() else pytest.skip(missing)


def required() -> bool:
    """Whether a missing server is a failure, as in CI."""
    return bool(os.environ.get("REQUIRE_LIVEKIT_SERVERS"))


def binary(version: str) -> str:
    """The path of this LiveKit, built when it is not in the cache. Skips the test on a machine without Go."""
    built = subprocess.run([str(BUILD), version], capture_output=True, text=True)
    if built.returncode == 0:
        return built.stdout.strip()
    if required() or shutil.which("go"):
        pytest.fail(f"livekit-server {version} cannot be built:\n{built.stderr}", pytrace=False)
    pytest.skip(f"livekit-server {version}: not in the cache, and no Go here to build it")


@dataclass(frozen=True, slots=True)
class Node:
    """A livekit-server process."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """SIGKILL; SIGTERM would wait for its participants."""
        self.process.kill()
        self.process.wait()


@contextmanager
def node(
    version: str, log: Path, *, address: str = "127.0.0.1", prefix: Sequence[str] = (), **config: Any
) -> Iterator[Node]:
    """A livekit-server process at this address, killed at the end. `config` is laid over what every one of them has;
    `prefix` is a command that starts it, in a network namespace say."""
    program = binary(version)
    port, tcp_port, udp_port = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
    rtc = {
        "udp_port": udp_port,
        "tcp_port": tcp_port,
        "node_ip": address,
        "use_external_ip": False,
        "enable_loopback_candidate": address.startswith("127."),
    }
    if address.startswith("127."):
        rtc["interfaces"] = {"includes": ["lo"]}
    whole = {"port": port, "bind_addresses": [address], "keys": {KEY.key: KEY.secret}} | config
    whole["rtc"] = rtc | config.get("rtc", {})
    command = [*prefix, program, "--config-body", json.dumps(whole)]  # JSON is YAML
    with log.open("w") as output:
        one = Node(f"http://{address}:{port}", subprocess.Popen(command, stdout=output, stderr=output))
    try:
        ready(lambda: _answers(one.url), one.process, log)
        yield one
    finally:
        one.kill()


@contextmanager
def real(version: str, log: Path, **config: Any) -> Iterator[str]:
    """The URL of a `node`."""
    with node(version, log, **config) as one:
        yield one.url


def ready(answers: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process that was just started answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        if answers():
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args} does not start:\n{log.read_text()[-2000:]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0):
            return True
    except OSError:
        return False


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of the loopback interface that nobody has at present."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
