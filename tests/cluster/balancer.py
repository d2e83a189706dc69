"""The load balancer in front of a LiveKit cluster: clients know one URL, and which nodes live is its affair.

A session names exactly one URL for its room, the vendor's as the sandbox's, and LiveKit's clients take exactly one. So
neither end has a list to go through: a node that is dead is passed by here, as it is in a real cluster.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import jwt

HOST = "127.0.0.1"
END = b"\r\n\r\n"
PIECE_BYTES = 65536


class Balancer:
    """Gives each node its turn. The first two room sockets do not take turns: whoever is `first`, by identity, goes to
    the first node, and anybody else waits for that and goes to the second one."""

    def __init__(self, nodes: Sequence[str], first: Callable[[str], bool]) -> None:
        self._ports = [urlsplit(node).port for node in nodes]
        self._is_first = first
        self._first_joined = asyncio.Event()
        self._turn = 0
        self.url = ""
        self.joins: list[tuple[str, int]] = []  # the identity and the node of each room socket

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        ends = [writer]
        try:
            head = await reader.readuntil(END)
            identity = _identity(head)
            there_reader, there_writer = await self._connect(identity)
            ends.append(there_writer)
            there_writer.write(head)
            await asyncio.gather(_copy(reader, there_writer), self._answer(identity, there_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other end sees it too
        finally:
            for end in ends:
                end.transport.abort()

    async def _answer(self, identity: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(PIECE_BYTES))
        if identity and self._is_first(identity):
            self._first_joined.set()  # a node answers when it is known which one has the room
        await _copy(reader, writer)

    async def _connect(self, identity: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the node whose turn it is, or to the next one that answers."""
        self._turn += 1
        first = await self._placed(identity) if identity and len(self.joins) < 2 else self._turn
        for node in (turn % len(self._ports) for turn in range(first, first + len(self._ports))):
            with suppress(OSError):
                connection = await asyncio.open_connection(HOST, self._ports[node])
                if identity:
                    self.joins.append((identity, node))
                return connection
        raise ConnectionRefusedError("no node answers")

    async def _placed(self, identity: str) -> int:
        if self._is_first(identity):
            return 0
        await self._first_joined.wait()
        return 1


def _identity(head: bytes) -> str:
    """Who opens a room's socket; empty for any other request."""
    if not head.startswith((b"GET /rtc?", b"GET //rtc?")):
        return ""
    token = head.partition(b"Authorization: Bearer ")[2].partition(b"\r\n")[0].decode()
    return str(jwt.decode(token, options={"verify_signature": False})["sub"])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


@contextmanager
def balancer(nodes: Sequence[str], *, first: Callable[[str], bool]) -> Iterator[Balancer]:
    """A load balancer in front of the nodes at these URLs, in a thread of its own."""
    one = Balancer(nodes, first)
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        async with await asyncio.start_server(one.serve, HOST, 0) as server:
            one.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield one
    finally:
        stop[0]()
        thread.join()
