"""The conductor's neighbours: a cloud, its rooms and sockets, a card. Each notes what happens to it in one list."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

from service.control import Controls
from service.core.errors import LinkLost, ServiceError, SessionLost
from service.core.session import Session
from service.transports import Transport, Transports

READY_S = 0.3


class World:
    """`said` is the story as the other side saw it. Give errors to `refuse_create` and `refuse_join` to be raised, one
    per try; `silent` names the ways ("websocket", "datachannel") by which nothing is ever answered."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.tidied: list[int] = []  # how much had been said when it was tidied up
        self.refuse_create: list[ServiceError] = []
        self.refuse_join: list[ServiceError] = []
        self.refuse_socket: list[ServiceError] = []
        self.silent: set[str] = set()
        self.create_s = self.join_s = 0.0
        self.languages = ["es", "fr"]  # of the tracks in each room
        self._task: dict[str, object] = {}
        self.links: list[FakeLink] = []
        self.sockets: list[FakeSocket] = []

    # -- core.ports.Sessions

    async def tidy(self) -> None:
        self.tidied.append(len(self.said))

    @asynccontextmanager
    async def open(self, *, publisher_can_subscribe: bool = False) -> AsyncIterator[Session]:
        self.said.append("create with publisher_can_subscribe" if publisher_can_subscribe else "create")
        await asyncio.sleep(self.create_s)
        if self.refuse_create:
            raise self.refuse_create.pop(0)
        try:
            yield Session("id", "token", (), "room", "https://room", "wss://control")
        finally:
            self.said.append("delete")

    # -- core.ports.Rooms

    @asynccontextmanager
    async def join(self, session, line_in, sink_for) -> AsyncIterator["FakeLink"]:
        async with self._join("join", sink_for) as link:
            yield link

    @asynccontextmanager
    async def _join(self, said: str, sink_for) -> AsyncIterator["FakeLink"]:
        self.said.append(said)
        await asyncio.sleep(self.join_s)
        if self.refuse_join:
            raise self.refuse_join.pop(0)
        self.links.append(FakeLink(self))
        for language in self.languages:
            sink_for(language)
        try:
            yield self.links[-1]
        finally:
            self.said.append("leave")

    def transports(self, controls: Controls, *, setting: str, fallback_after_s: float) -> Transports:
        """Both ways to the same world; one that joins over the socket says so."""
        sockets = SimpleNamespace(join=lambda session, line_in, sink_for: self._join("join by socket", sink_for))
        own = Controls(setting="datachannel", connect=self.connect, link_name="websocket")
        return Transports(
            setting=setting,
            webrtc=Transport("webrtc", self, controls),
            websocket=Transport("websocket", sockets, own),
            fallback_after_s=fallback_after_s,
        )

    # -- control.Connect

    @asynccontextmanager
    async def connect(self, ws_url: str, token: str) -> AsyncIterator["FakeSocket"]:
        if self.refuse_socket:
            raise self.refuse_socket.pop(0)
        self.sockets.append(FakeSocket(self))
        try:
            yield self.sockets[-1]
        finally:
            self.said.append("close socket")

    # -- the task

    def command(self, way: str, payload: bytes, answer: Callable[[bytes], None]) -> None:
        """Note a command; acknowledge it soon, as generation D does."""
        message = json.loads(payload)
        command = message["message_type"]
        what = command
        if command == "set_task":
            what += " " + ",".join(each["target_language"] for each in message["data"]["pipeline"]["translations"])
            self._task = message["data"]
        self.said.append(what)
        if command == "get_task" and way not in self.silent:
            reply = json.dumps({"message_type": "current_task", "data": self._task | {"status": "running"}}).encode()
            asyncio.get_running_loop().call_later(READY_S, answer, reply)
        status = {"set_task": "running", "pause_task": "paused"}.get(command)
        if status is not None and way not in self.silent:
            data = {"command": command, "event": "started", "task_status": status}
            reply = json.dumps({"message_type": "task_status", "data": data}).encode()
            asyncio.get_running_loop().call_later(READY_S, answer, reply)


class FakeLink:
    """core.ports.RoomLink, with the translator in the room."""

    way = "datachannel"

    def __init__(self, world: World) -> None:
        self._world = world
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.links, self.alive, self.reached, self.loss = 1, True, True, None
        self.inside = {"palabra_translator_1"}
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()

    def lose(self, error: BaseException | None = None) -> None:
        self._lost.set_exception(error or LinkLost("the room's signalling is closed"))

    async def pump(self) -> None:
        await self._lost

    def is_present(self, identity_prefix: str) -> bool:
        return any(identity.startswith(identity_prefix) for identity in self.inside)

    async def present(self, identity_prefix: str) -> None:
        assert identity_prefix == "palabra_translator"

    async def messages(self) -> AsyncIterator[bytes]:
        while True:
            yield await self.incoming.get()

    async def send(self, message: bytes) -> None:
        self._world.command(self.way, message, self.incoming.put_nowait)


class FakeSocket:
    """control.Socket. `close` ends it as the cloud would."""

    way = "websocket"

    def __init__(self, world: World) -> None:
        self._world = world
        self.incoming: asyncio.Queue[bytes | ServiceError] = asyncio.Queue()

    def close(self, error: ServiceError | None = None) -> None:
        self.incoming.put_nowait(error or SessionLost("the cloud closed the management socket (1001)"))

    async def messages(self) -> AsyncIterator[bytes]:
        while True:
            message = await self.incoming.get()
            if isinstance(message, ServiceError):
                raise message
            yield message

    async def send(self, message: bytes) -> None:
        self._world.command(self.way, message, self.incoming.put_nowait)


class FakeLineIn:
    """core.ports.LineIn; nobody reads it here. Notes what it is told, repetitions left out."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.spoke_s = -math.inf
        self._listener = lambda: None

    def on_speech(self, listener: Callable[[], None]) -> None:
        self._listener = listener

    def speak(self) -> None:
        """Somebody says a word after a silence."""
        self.spoke_s = asyncio.get_running_loop().time()
        self._listener()

    def go(self) -> None:
        self._note("go")

    def hold(self) -> None:
        self._note("hold")

    def keep(self) -> None:
        self._note("keep")

    def clear(self) -> None:
        self._note("clear")

    def _note(self, verb: str) -> None:
        if self.told[-1:] != [verb]:
            self.told.append(verb)

    async def read(self):
        raise AssertionError("sound does not pass through the conductor")


class FakeLineOut:
    """core.ports.LineOut; notes what is heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.muted = False

    def sink(self, language: str):
        return None

    def select(self, targets) -> None:
        self.heard.append("+".join(targets))

    def mute(self, on: bool) -> None:
        self.muted = on

    def clear(self) -> None:
        self.heard.append("-")
