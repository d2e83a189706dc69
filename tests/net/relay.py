"""The network bench: one user-space relay for UDP and TCP between a client and any LiveKit server.

    async with relay(server_url) as net:
        async with link.join(net.url, token, sink_for=...) as box:
            net.play(step(5, 8, blocked=True, on="udp"))

The client is given `net.url`; everything it and the server say to each other goes through here, media too: in the
signalling every UDP candidate, of both sides, is replaced by a socket of the relay. Only IPv4 and plain HTTP.
A server that is down gives a reset, not a refusal: the relay still listens.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from tests.net import candidates
from tests.net.candidates import Address
from tests.net.script import PATHS, Counts, Path, Script, Step

HOST = "127.0.0.1"
PIECE_BYTES = 65536
PIECES_WAITING = 64  # per direction of a connection; when they are full the sender's own TCP waits
# Told of each UDP packet: path, bytes, and the loop's time at which it arrives; None when it does not.
Watch = Callable[[str, bytes, float | None], None]


@asynccontextmanager
async def relay(server_url: str, *, watch: Watch | None = None) -> AsyncIterator[Relay]:
    """A relay in front of the server, with nothing wrong yet. Everything it opened is closed on exit."""
    one = Relay(server_url, watch)
    try:
        yield one
    finally:
        await one._close()


class Relay:
    """Made by `relay`."""

    def __init__(self, server_url: str, watch: Watch | None) -> None:
        parts = urlsplit(server_url)
        self._loop = asyncio.get_running_loop()
        self._watch = watch
        self._udp = _Udp(self._carry)
        self._tcp = _Tcp((parts.hostname or HOST, parts.port or 80), self._udp, self._due_s)
        self._server_path = parts.path
        self._director: asyncio.Task[None] | None = None
        self._flying: list[tuple[float, int, Callable[[], None]]] = []  # a heap: when it arrives, its number
        self._number = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self.play()

    @property
    def url(self) -> str:
        """Where the client finds the server."""
        return f"http://{HOST}:{self._tcp.port}{self._server_path}"

    def play(self, *steps: Step, seed: int = 1) -> None:
        """These steps, from now, in place of whatever held before; without any the network is perfect.

        Counts start anew. What is on its way already arrives as it would have.
        """
        self._script = Script(*steps, seed=seed)
        self._paths = {name: Path(name, self._script) for name in PATHS}
        self._began_s = self._loop.time()
        if self._director is not None:
            self._director.cancel()
        self._director = asyncio.ensure_future(self._direct())

    def counts(self, path: str) -> Counts:
        """What became of the packets of one of `PATHS` since `play`."""
        return self._paths[path].counts

    def alias(self, address: Address) -> Address:
        """The relay's UDP address for one of the server's side that no signalling tells, a TURN server's say."""
        return self._udp.alias(address, up=True)

    async def _direct(self) -> None:
        script = self._script
        for at_s in sorted({0.0, *script.times_s()}):
            await asyncio.sleep(max(0.0, self._began_s + at_s - self._loop.time()))
            stalled = {name for name in PATHS if script.conditions(name, at_s).blocked}
            refused = any(script.conditions(name, at_s).refused for name in ("tcp up", "tcp down"))
            self._tcp.obey(stalled=stalled, refused=refused, kill=script.kills(at_s))

    def _due_s(self, path: str, size_bytes: int) -> float | None:
        arrives_s = self._paths[path].arrival_s(self._loop.time() - self._began_s, size_bytes)
        return None if arrives_s is None else self._began_s + arrives_s

    def _carry(self, path: str, data: bytes, deliver: Callable[[], None]) -> None:
        due_s = self._due_s(path, len(data))
        if self._watch is not None:
            self._watch(path, data, due_s)
        if due_s is not None:
            heapq.heappush(self._flying, (due_s, next(self._number), deliver))
            self._land()

    def _land(self) -> None:
        """Deliver what is due, in order, and come back for the next."""
        while self._flying and self._flying[0][0] <= self._loop.time():
            heapq.heappop(self._flying)[2]()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._flying[0][0], self._land) if self._flying else None

    async def _close(self) -> None:
        self._flying.clear()
        self._land()
        self._udp.close()
        await self._tcp.close()
        if not self._director.done():
            self._director.cancel()
        with suppress(asyncio.CancelledError):
            await self._director  # raises what went wrong in it


@dataclass(frozen=True, slots=True)
class _Alias:
    socket: socket.socket
    of: Address
    up: bool  # stands for an address of the server's side: what comes in goes up
    clear: bool


class _Udp:
    """One socket for each address of either side, always the same one: a packet from A that comes in at the alias of B
    goes to B from the alias of A. So both ends see whom they were told of, and ICE finds nothing unusual."""

    def __init__(self, carry: Callable[[str, bytes, Callable[[], None]], None]) -> None:
        self._carry = carry
        self._loop = asyncio.get_running_loop()
        self._aliases: dict[Address, _Alias] = {}

    def alias(self, address: Address, *, up: bool, clear: bool = False) -> Address:
        """The address that stands for this one. `clear`: no condition applies to what it sends and gets; the leg
        between a TURN server and the LiveKit server is not the network under test."""
        return self._alias(address, up=up, clear=clear).socket.getsockname()

    def _alias(self, address: Address, *, up: bool, clear: bool = False) -> _Alias:
        if address not in self._aliases:
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            own.bind((HOST, 0))
            own.setblocking(False)
            alias = self._aliases[address] = _Alias(own, address, up, clear)
            self._loop.add_reader(own, self._receive, alias)
        return self._aliases[address]

    def _receive(self, to: _Alias) -> None:
        with suppress(BlockingIOError):
            for _ in range(100):  # then somebody else's turn
                data, source = to.socket.recvfrom(PIECE_BYTES)
                sender = self._alias(source, up=not to.up)
                deliver = partial(self._send, sender.socket, data, to.of)
                if sender.clear or to.clear:
                    deliver()
                else:
                    self._carry("udp up" if to.up else "udp down", data, deliver)

    def _send(self, own: socket.socket, data: bytes, to: Address) -> None:
        with suppress(OSError):  # a full buffer loses a packet, and a packet to nowhere is lost
            own.sendto(data, to)

    def close(self) -> None:
        for alias in self._aliases.values():
            self._loop.remove_reader(alias.socket)
            alias.socket.close()


class _Tcp:
    """The signalling, rewritten on its way."""

    def __init__(self, server: Address, udp: _Udp, due_s: Callable[[str, int], float | None]) -> None:
        self._server, self._udp, self._due_s = server, udp, due_s
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = {path: asyncio.Event() for path in ("tcp up", "tcp down")}
        self.port = 0
        self._listen(True)

    def _listen(self, wanted: bool) -> None:
        if wanted and self._listener is None:
            self._listener = socket.create_server((HOST, self.port))
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]
            self._loop.add_reader(self._listener, self._accept)
        elif not wanted and self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def obey(self, *, stalled: set[str], refused: bool, kill: bool) -> None:
        for path, flows in self._flows.items():
            flows.clear() if path in stalled else flows.set()
        self._listen(not refused)
        if kill:
            self._kill()

    def _kill(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        self._listen(False)
        self._kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self) -> None:
        with suppress(OSError):  # gone again already
            own, _ = self._listener.accept()
            task = asyncio.ensure_future(self._serve(own))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, own: socket.socket) -> None:
        """One connection to its end; a reset, or `_kill`, resets both halves."""
        reader, writer = await asyncio.open_connection(sock=own)
        writers, pumps = [writer], []
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._server)
            writers.append(there_writer)
            up = candidates.Stream(
                head=lambda head: candidates.request_head(head, self._of_client),
                message=lambda message: candidates.request(message, self._of_client),
            )
            down = candidates.Stream(
                head=lambda head: head, message=lambda message: candidates.response(message, self._of_server)
            )
            pumps.append(asyncio.ensure_future(self._pump("tcp up", reader, there_writer, up.feed)))
            pumps.append(asyncio.ensure_future(self._pump("tcp down", there_reader, writer, down.feed)))
            await asyncio.gather(*pumps)
        except (OSError, asyncio.CancelledError):
            for one in writers:
                _reset(one)
        finally:
            for pump in pumps:
                pump.cancel()
            for one in writers:
                one.close()

    def _of_client(self, address: Address, relayed: bool) -> Address:
        return self._udp.alias(address, up=False, clear=relayed)

    def _of_server(self, address: Address, relayed: bool) -> Address:
        return self._udp.alias(address, up=True, clear=relayed)

    async def _pump(
        self,
        path: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        rewrite: Callable[[bytes], bytes],
    ) -> None:
        """One direction, from its first byte to its end. Raises OSError when either end is reset."""
        waiting: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(PIECES_WAITING)

        async def read() -> None:
            data: bytes | None = b"?"
            while data:
                try:
                    data = await reader.read(PIECE_BYTES)
                except OSError:
                    data = None  # reset, which travels as the bytes before it did
                await waiting.put((self._due_s(path, len(data or b"")), data))

        reading = asyncio.ensure_future(read())
        try:
            while True:
                due_s, data = await waiting.get()
                await asyncio.sleep(due_s - self._loop.time())
                await self._flows[path].wait()
                if data is None:
                    raise ConnectionResetError
                if not data:
                    return writer.write_eof()
                writer.write(rewrite(data))
                await writer.drain()
        finally:
            reading.cancel()


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST, not FIN: what a NAT or a crashed host gives."""
    own = writer.get_extra_info("socket")
    if not writer.transport.is_closing():
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
