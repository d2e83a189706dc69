"""The Redis that the nodes of a LiveKit cluster share."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.servers import free_port, installed, ready

HOST = "127.0.0.1"


class Redis:
    """A running redis-server, empty at first."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"{HOST}:{port}"

    def ask(self, *words: str) -> str:
        """One command and its answer, if that is one text; else an empty string."""
        command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        with socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(command.encode())
            head, _, text = connection.recv(4096).decode().partition("\r\n")
        return head[1:] if head.startswith("+") else text.removesuffix("\r\n")

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return self.ask("PING") == "PONG"
        except OSError:
            return False

    def node_of(self, room: str) -> str:
        """The id of the LiveKit node that carries this room; empty if none does."""
        return self.ask("HGET", "room_node_map", room)


@contextmanager
def redis(log: Path) -> Iterator[Redis]:
    """On a free port of the loopback interface; keeps nothing."""
    program = installed("redis-server", package="redis-server")
    one = Redis(free_port())
    options = ["--port", str(one.port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", str(log.parent)]
    with log.open("w") as output:
        process = subprocess.Popen([program, *options], stdout=output, stderr=output)
    try:
        ready(one.answers, process, log)
        yield one
    finally:
        process.kill()
        process.wait()
