"""A cloud at the other end of a session's WebSocket, as documented (palabra-api 3.3 to 3.8), in generation D. By two
doors: a server of aiohttp's, and a socket in memory for virtual time.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from aiohttp import WSMsgType, web

from service.core.audio import FRAME_SAMPLES, EncodedFrame
from service.core.errors import CloudBusy, LinkLost, SessionLost
from service.core.session import Session
from tests.fakes.servers import serving

RATE_HZ = 24_000
AHEAD_S = 0.5  # sound may come so much before its time, then it is too fast
BEHIND_S = 5.0  # what may be made good after a stall


def session(ws_url: str | None = "wss://cloud") -> Session:
    return Session("id", "token", (), "room", "https://room", ws_url)


class AudioCloud:
    """`heard` is every chunk of line-in with its time; `said` the commands. `stalled` reads nothing meanwhile."""

    def __init__(self, *, ready_s: float = 0.5, input_timeout_s: float = 10.0) -> None:
        self.said: list[str] = []
        self.settings: dict = {}
        self.heard: list[tuple[float, bytes]] = []
        self.before_ready = self.too_fast = 0
        self.running = False
        self.out: asyncio.Queue[str | int] = asyncio.Queue()  # a number closes the socket with that code
        self.sockets: list[MemorySocket] = []
        self.closed = asyncio.Event()  # the client has left
        self.reading = asyncio.Event()
        self.reading.set()
        self._ready_s, self._input_timeout_s = ready_s, input_timeout_s
        self._loop = asyncio.get_running_loop()
        self._ends_at_s = 0.0
        self._timeout: asyncio.TimerHandle | None = None

    @property
    def pcm(self) -> np.ndarray:
        """All that was heard of line-in."""
        return np.frombuffer(b"".join(pcm for _, pcm in self.heard), "<i2")

    def tell(self, message_type: str, **data: object) -> None:
        """Say something."""
        self.out.put_nowait(json.dumps({"message_type": message_type, "data": data}))

    def say(self, language: str, pcm: bytes, *, last: bool = True) -> None:
        """Speak: pieces of 200 ms, all at once."""
        size = RATE_HZ * 2 // 5
        for at in range(0, len(pcm), size):
            data = base64.b64encode(pcm[at : at + size]).decode()
            final = last and at + size >= len(pcm)
            self.tell("output_audio_data", transcription_id="1", language=language, last_chunk=final, data=data)

    def close(self, code: int) -> None:
        self.out.put_nowait(code)

    def hear(self, text: str) -> None:
        """Obey one message."""
        message = json.loads(text)
        kind, data = message["message_type"], message["data"]
        if kind == "input_audio_data":
            self._hear_sound(base64.b64decode(data["data"], validate=True))
            return
        self.said.append(kind)
        if kind == "set_task":
            self.settings = data
            self._loop.call_later(0.0 if self.running else self._ready_s, self._start)
        elif kind == "pause_task":
            self._stop()
            self.tell("task_status", command=kind, event="paused", task_status="paused")
        elif kind == "get_task" and self.running:
            self.tell("current_task", task_status="running", **self.settings)
        elif kind == "get_task":
            self.tell("error", code="NOT_FOUND", desc="No active task found", param=None)

    def _start(self) -> None:
        if not self.running:
            self._ends_at_s = self._loop.time()
        self.running = True
        self._hear_in_time()
        self.tell("task_status", command="set_task", event="started", task_status="running")

    def _stop(self) -> None:
        self.running = False
        if self._timeout is not None:
            self._timeout.cancel()

    def _hear_sound(self, pcm: bytes) -> None:
        now_s = self._loop.time()
        self.heard.append((now_s, pcm))
        self.before_ready += not self.running
        self._ends_at_s = max(self._ends_at_s, now_s - BEHIND_S) + len(pcm) / 2 / RATE_HZ
        if self._ends_at_s > now_s + AHEAD_S:
            self.too_fast += 1
            self.tell("warning", code="AUDIO_STREAM_TOO_FAST", message="slow down")
        if self.running:
            self._hear_in_time()

    def _hear_in_time(self) -> None:
        self._stop()
        self.running = True
        self._timeout = self._loop.call_later(self._input_timeout_s, self._give_up)

    def _give_up(self) -> None:
        self._stop()
        self.tell("error", code="SERVICE_TIMEOUT", desc="no input audio for 10 s; use pause_task", param=None)
        self.close(1008)

    # -- the doors

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """A real WebSocket; its URL."""

        async def handler(request: web.Request) -> web.StreamResponse:
            if request.query.get("token") != "token":
                return web.Response(status=403)
            ws = web.WebSocketResponse(timeout=0.1)
            await ws.prepare(request)
            telling = asyncio.ensure_future(self._tell_all(ws))
            try:
                while self.reading.is_set() or await self.reading.wait():
                    message = await ws.receive()
                    if message.type is not WSMsgType.TEXT:
                        break
                    self.hear(message.data)
            except ConnectionError:
                pass  # the client left while a ping of its was to be answered
            finally:
                self._stop()
                telling.cancel()
                self.closed.set()
            return ws

        app = web.Application()
        app.router.add_get("/stream", handler)
        async with serving(app) as url:
            yield url.replace("http", "ws", 1) + "/stream"

    async def _tell_all(self, ws: web.WebSocketResponse) -> None:
        while True:
            item = await self.out.get()
            if isinstance(item, int):
                await ws.close(code=item)
                return
            await ws.send_str(item)

    @asynccontextmanager
    async def connect(self, ws_url: str, token: str) -> AsyncIterator[MemorySocket]:
        """A socket in memory; the task lives with it."""
        self.closed.clear()
        self.sockets.append(MemorySocket(self))
        try:
            yield self.sockets[-1]
        finally:
            self._stop()
            self.closed.set()


class MemorySocket:
    """What is sent while the cloud does not read arrives when it reads again, all at once."""

    def __init__(self, cloud: AudioCloud) -> None:
        self._cloud = cloud
        self._on_the_way: list[bytes | None] = []  # None is a mark
        self.marks_open = 0

    async def messages(self) -> AsyncIterator[bytes]:
        while True:
            item = await self._cloud.out.get()
            if item == 1000:
                return
            if isinstance(item, int):
                raise CloudBusy("1008", retry_after_s=60.0) if item == 1008 else SessionLost(f"closed ({item})")
            yield item.encode()

    async def send(self, message: bytes) -> None:
        if self._cloud.closed.is_set():
            raise LinkLost("closed")
        self._on_the_way.append(message)
        self.arrive()

    async def mark(self) -> None:
        self.marks_open += 1
        self._on_the_way.append(None)
        self.arrive()

    def arrive(self) -> None:
        while self._on_the_way and self._cloud.reading.is_set():
            message = self._on_the_way.pop(0)
            if message is None:
                self.marks_open -= 1
            else:
                self._cloud.hear(message.decode())


class Speaker:
    """A line-in on the loop's clock: a frame every 20 ms, at most five wait. `payload(n)` is the packet of frame n."""

    def __init__(self, payload=lambda number: b"0") -> None:
        self._frame = lambda n: EncodedFrame(n & 0xFFFF, n * FRAME_SAMPLES & 0xFFFFFFFF, payload(n))
        self._loop = asyncio.get_running_loop()
        self._began_s, self._next = self._loop.time(), 0

    async def read(self):
        now = int((self._loop.time() - self._began_s) / 0.02 + 1e-6)
        self._next = max(self._next, now - 5)
        await asyncio.sleep(self._began_s + (self._next + 1) * 0.02 - self._loop.time())
        self._next += 1
        return self._frame(self._next - 1)
