"""A whole booth on any of the servers: the box's conductor with its true room, and a cloud that is one participant.

Sessions are granted here and the task is acknowledged at once; everything between is real.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from service.board import Board
from service.conductor import Conductor
from service.control import Controls
from service.core.accounts import Accounts
from service.core.audio import EncodedFrame
from service.core.errors import Cause, CloudUnreachable
from service.core.intent import Intent
from service.core.languages import LanguagePair, Menu
from service.core.outages import Outage
from service.core.phase import Phase
from service.core.session import Session
from service.core.status import Status
from service.room import link
from service.room.rooms import Rooms
from service.room.staying import Stay, staying
from service.room.tracks import PacketQueue
from service.transports import Transport, Transports
from tests.conformance.people import FRAME_S
from tests.conformance.servers import Server
from tests.fakes.parts import FakeLineIn, FakeLineOut
from tests.fakes.rooms import Ear

ES = LanguagePair("EN to ES", "en", ("es",))


class LineIn(FakeLineIn, PacketQueue):
    def __init__(self) -> None:
        FakeLineIn.__init__(self)
        PacketQueue.__init__(self)

    read = PacketQueue.read  # type: ignore[assignment]


class LineOut(FakeLineOut):
    def __init__(self) -> None:
        super().__init__()
        self.ear = Ear()

    def sink(self, language: str) -> Ear:
        return self.ear


class Cloud:
    """The translator: it acknowledges every set_task, echoes it to every get_task, and speaks all the time."""

    def __init__(self, stay: Stay) -> None:
        self.stay, self.commands = stay, list[str]()
        self._task: dict[str, object] = {}

    async def obey(self) -> None:
        async for payload in self.stay.messages():
            message = json.loads(payload)
            command = message["message_type"]
            self.commands.append(command)
            if command == "set_task":
                self._task = message["data"]
                await self._say("task_status", {"command": command, "event": "started", "task_status": "running"})
            elif command == "get_task" and self._task:
                await self._say("current_task", self._task | {"status": "running"})

    async def _say(self, kind: str, data: dict[str, object]) -> None:
        await self.stay.send(json.dumps({"message_type": kind, "data": data}).encode())


class Straight(Rooms):
    """Another way for the sound: not by the relay."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def join(self, session, line_in, sink_for):  # type: ignore[no-untyped-def]
        return super().join(replace(session, webrtc_url=self._server.url), line_in, sink_for)


class Booth:
    """`heard` and `hears` are the numbers of the packets that line-out and the translator got."""

    def __init__(self, server: Server, url: str, valid_s: float, fallback_after_s: float | None) -> None:
        self.server, self.url, self.board = server, url, Board()
        self._valid_s = valid_s
        self.line_in, self.line_out, self.voice = LineIn(), LineOut(), PacketQueue()
        self.microphone = Ear()
        self.outages: list[Outage] = []
        self.sessions = 0
        self.reachable = True
        self.rooms = Rooms()
        self.said = 0
        self.cloud: Cloud | None = None
        self.conductor_task: asyncio.Task[None] | None = None
        controls = Controls(setting="datachannel", connect=None)  # type: ignore[arg-type]
        room = Transport("webrtc", self.rooms, controls)
        other_way = Transport("websocket", Straight(server), controls)
        self.conductor = Conductor(
            board=self.board,
            menu=Menu((ES,)),
            sessions=self,
            transports=Transports(
                setting="webrtc" if fallback_after_s is None else "auto",
                webrtc=room,
                websocket=other_way,
                fallback_after_s=fallback_after_s or 0.0,
            ),
            line_in=self.line_in,
            line_out=self.line_out,
            intent=Intent(ES, on_air=True),
            accounts=Accounts(),
            on_caption=lambda caption: None,
            on_outage=self.outages.append,
        )

    @property
    def status(self) -> Status:
        return self.board.status

    @property
    def causes(self) -> list[Cause]:
        return [outage.cause for outage in self.outages]

    async def tidy(self) -> None:
        """Nothing is ever left open here."""

    @asynccontextmanager
    async def open(self, *, publisher_can_subscribe: bool = False) -> AsyncIterator[Session]:
        """core.ports.Sessions: one room for all, as if the cloud had forgotten nothing."""
        if not self.reachable:
            raise CloudUnreachable("the cloud is not there")
        self.sessions += 1
        yield Session("id", self.server.token("box", valid_s=self._valid_s), (), self.server.room, self.url, None)

    async def until(self, phase: Phase, limit_s: float = 30.0) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self.board.until(lambda status: status.phase is phase)
        except TimeoutError:
            raise AssertionError(f"never {phase}: {self.status}") from None

    async def asked(self) -> None:
        """Wait until the box has asked whether its task still runs, as it does where it may have been forgotten."""
        assert self.cloud is not None
        async with asyncio.timeout(10):
            while self.cloud.commands[-1] != "get_task":
                await asyncio.sleep(0.02)

    @property
    def joins(self) -> int:
        """How often the box has joined in this session."""
        talk = self.conductor._talk
        return talk.link.links if talk is not None else 0

    @asynccontextmanager
    async def joining_anew(self) -> AsyncIterator[None]:
        """What happens inside makes the box join the room once more, in the same session, and everybody is heard."""
        sessions, joins = self.sessions, self.joins
        yield
        async with asyncio.timeout(30):
            while self.joins == joins:
                await asyncio.sleep(0.02)
        await self.until(Phase.LIVE)
        await self.both_heard()
        assert (self.sessions, self.joins) == (sessions, joins + 1)

    async def both_heard(self, limit_s: float = 30.0) -> None:
        """Wait until something said after now is heard at either end."""
        now = self.said.to_bytes(4, "big")
        async with asyncio.timeout(limit_s):
            while not all(ear.frames and ear.frames[-1].payload > now for ear in (self.line_out.ear, self.microphone)):
                await asyncio.sleep(0.02)

    async def speak(self) -> None:
        """Both talk, for ever, fifty packets a second."""
        while True:
            self.said += 1
            frame = EncodedFrame(self.said & 0xFFFF, self.said * 960 & 0xFFFFFFFF, self.said.to_bytes(4, "big") * 10)
            self.line_in.push(frame)
            self.voice.push(frame)
            await asyncio.sleep(FRAME_S)


@asynccontextmanager
async def _translator(booth: Booth) -> AsyncIterator[Stay]:
    @asynccontextmanager
    async def enter(token: str | None) -> AsyncIterator[link.RoomLink]:
        own = booth.server.token("palabra_translator_1")
        async with link.join(booth.server.url, own, sink_for=lambda track: booth.microphone) as room:
            await room.publish("translation_es", booth.voice)
            await room.wait_connected()
            yield room

    async with staying(enter) as stay:
        yield stay


@asynccontextmanager
async def booth(
    server: Server, url: str = "", *, valid_s: float = 600.0, fallback_after_s: float | None = None
) -> AsyncIterator[Booth]:
    """One that is LIVE and heard at both ends; the box comes by `url` when it does not come to the server straight."""
    one = Booth(server, url or server.url, valid_s, fallback_after_s)
    async with _translator(one) as stay:
        one.cloud = Cloud(stay)
        one.conductor_task = asyncio.create_task(one.conductor.run())
        tasks = [asyncio.create_task(work) for work in (stay.pump(), one.cloud.obey(), one.speak())]
        try:
            await one.until(Phase.LIVE)
            await one.both_heard()
            yield one
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in (*tasks, one.conductor_task):
                task.cancel()
            await asyncio.gather(*tasks, one.conductor_task, return_exceptions=True)
