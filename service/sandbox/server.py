"""The sandbox: one aiohttp application, and the interpreter beside it."""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from service.core.session import ApiKey, ClientPair
from service.room import peers
from service.sandbox import engines, pipe, session_routes
from service.sandbox.console import Console
from service.sandbox.faults import Faults
from service.sandbox.hub import Hub
from service.sandbox.livekit_rooms import LiveKitRooms
from service.sandbox.management import ManagementTask
from service.sandbox.phrases import load_phrases
from service.sandbox.room_server import RoomServer
from service.sandbox.sessions import SessionStore, StoredSession
from service.sandbox.streams import Streams
from service.sandbox.tokens import Grant, SigningKey, TokenRefused, mint, verify
from service.sandbox.worker import Worker

EXPIRE_S = 1.0
SHUTDOWN_S = 0.5
REFRESHED_S = 600.0  # a refreshed token's life, as LiveKit has it
INTERPRETER = "palabra_translator_"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the sandbox lets in, and what it signs with."""

    client_id: str
    client_secret: str = field(repr=False)
    api_key: str = field(repr=False)
    signing_key: str
    signing_secret: str = field(repr=False)


def new_keys() -> Keys:
    """Fresh ones."""
    return Keys(
        client_id=f"sandbox-{secrets.token_hex(4)}",
        client_secret=secrets.token_hex(16),
        api_key=f"plbr_{secrets.token_hex(16)}",
        signing_key=f"API{secrets.token_hex(6)}",
        signing_secret=secrets.token_hex(32),
    )


def load_keys(path: Path) -> Keys:
    """The keys in this file, made first when it does not exist. Raises ValueError naming the file, or OSError."""
    if not path.exists():
        keys = new_keys()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(keys), indent=2) + "\n")
        return keys
    try:
        keys = Keys(**json.loads(path.read_text(encoding="utf-8")))
        if not all(isinstance(value, str) and value for value in asdict(keys).values()):
            raise ValueError("every value has to be a text")
    except (ValueError, TypeError) as problem:
        raise ValueError(f"{path} holds no sandbox credentials ({problem}); remove it to have new ones made") from None
    return keys


@dataclass(frozen=True, slots=True)
class LiveKit:
    """A LiveKit server elsewhere, with one of its API keys."""

    url: str
    key: SigningKey


def livekit_at(url: str, environ: Mapping[str, str]) -> LiveKit:
    """The LiveKit server at this URL with the key of the environment. Raises ValueError, naming what is missing."""
    if urlsplit(url).scheme not in ("http", "https", "ws", "wss") or not urlsplit(url).hostname:
        raise ValueError(f'--livekit: "{url}" is no URL; write for example wss://livekit.example')
    missing = [name for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET") if not environ.get(name)]
    if missing:
        raise ValueError(f"--livekit needs a key of that server: set {' and '.join(missing)}")
    return LiveKit(url, SigningKey(environ["LIVEKIT_API_KEY"], environ["LIVEKIT_API_SECRET"]))


class Sandbox:
    """Everything behind one address. `mode` says what interprets; the rooms are embedded unless `livekit` has them."""

    def __init__(self, *, keys: Keys, faults: Faults, mode: str, livekit: LiveKit | None = None) -> None:
        self._faults = faults
        self._livekit = livekit
        self._signing = livekit.key if livekit is not None else SigningKey(keys.signing_key, keys.signing_secret)
        self._url = ""
        self._ending: set[asyncio.Task[None]] = set()
        self._console = Console(faults=faults, status=self._status)
        self._store = SessionStore(key=self._signing, on_created=self._created, on_deleted=self._deleted)
        self._worker = Worker(
            on_event=lambda room, event: self._hub.event(room, event), on_started=lambda: self._hub.worker_started()
        )
        self._hub = Hub(
            order=self._worker.order,
            join=self._join,
            verify=self._verify,
            note=self._note,
            charge=self._console.charge,
            fault=faults.on,
        )
        self._hub.mode = mode
        self._rooms = self._new_rooms()
        pair, api_key = ClientPair(keys.client_id, keys.client_secret), ApiKey(keys.api_key)
        streams = Streams(store=self._store, faults=faults, api_key=api_key, verify=self._verify, serve=self._hub.serve)
        self._app = web.Application(client_max_size=1 << 20)
        self._app.add_routes(
            [
                *session_routes.routes(
                    store=self._store,
                    faults=faults,
                    pair=pair,
                    api_key=api_key,
                    webrtc_url=livekit.url if livekit is not None else None,
                ),
                web.get("/", self._health),
                *streams.routes(),
                *self._console.routes(),
                *(self._rooms.routes() if isinstance(self._rooms, RoomServer) else ()),  # last: they take any prefix
            ]
        )

    def _new_rooms(self) -> RoomServer | LiveKitRooms:
        if self._livekit is not None:
            elsewhere = self._livekit
            return LiveKitRooms(url=elsewhere.url, key=elsewhere.key, joined=self._joined, left=self._left)
        return RoomServer(
            verify=self._verify,
            refresh=lambda grant: mint(grant, self._signing, now_s=time.time(), lifetime_s=REFRESHED_S),
            fault=self._faults.on,
            joined=self._joined,
            left=self._left,
        )

    async def run(self, host: str, port: int, started: Callable[[str], None]) -> None:
        """Serve until cancelled; `started` gets the URL. Raises OSError when the address cannot be bound."""
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            bound_host, bound_port = runner.addresses[0][:2]
            self._url = f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
            started(self._url)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._worker.run())
                    tasks.create_task(self._hub.tick())
                    tasks.create_task(self._expire())
                    if isinstance(self._rooms, LiveKitRooms):
                        tasks.create_task(self._rooms.run())
            finally:
                await site.stop()
                await asyncio.gather(self._hub.close(), self._rooms.close())
        finally:
            await runner.cleanup()
            await asyncio.wait({asyncio.ensure_future(peers.closed())}, timeout=SHUTDOWN_S)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_S)
            self._store.expire(time.time())

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="OK")

    def _status(self) -> dict[str, Any]:
        return {
            "interpreter": self._hub.mode,
            "interpreter_pid": self._worker.pid,
            "sessions": len(self._store.sessions(now_s=time.time())),
            "rooms": self._who_is_where(),
            "faults": self._faults.active(),
        }

    def _who_is_where(self) -> dict[str, list[str]]:
        if isinstance(self._rooms, LiveKitRooms):
            return self._rooms.rooms
        return {name: sorted(room.participants) for name, room in self._rooms.rooms.items()}

    # -- who meets whom -----------------------------------------------------------------------------------------

    def _note(self, what: str, room: str, who: str) -> None:
        if what != "input_audio_data":  # no command, and three a second
            self._console.note(what, room, who)

    def _verify(self, token: str) -> Grant:
        grant = verify(token, self._signing)
        if self._store.of_room(grant.room, now_s=time.time()) is None:
            raise TokenRefused("the session of this token has ended")
        return grant

    def _join(self, room: str, publisher: str) -> pipe.Join:
        token = mint(Grant(f"{INTERPRETER}{room}", room), self._signing, now_s=time.time())
        return pipe.Join(self._livekit.url if self._livekit else f"{self._url}/livekit/", token, publisher)

    def _created(self, session: StoredSession) -> None:
        self._console.created(session)
        if isinstance(self._rooms, LiveKitRooms):
            self._rooms.opened(session.room_name)
        task = ManagementTask(fault=self._faults.text)
        late_s = self._faults.number("late-interpreter") or 0.0
        if self._faults.on("no-interpreter"):
            task = ManagementTask(fault=self._faults.text, ready_delay_s=math.inf)  # nobody is there to get ready
            late_s = math.inf
        publisher = verify(session.publisher, self._signing).identity
        self._hub.opened(session.room_name, publisher=publisher, task=task, late_s=late_s)

    def _deleted(self, session: StoredSession) -> None:
        self._console.ended(session)
        self._hub.ended(session.room_name)
        ending = asyncio.ensure_future(self._rooms.end_room(session.room_name))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _joined(self, room: str, identity: str) -> None:
        self._console.note("joined", room, identity)
        session = self._store.of_room(room, now_s=time.time())
        if session is not None and not identity.startswith(INTERPRETER):
            self._store.joined(session, now_s=time.time())

    def _left(self, room: str, identity: str) -> None:
        self._console.note("left", room, identity)
        session = self._store.of_room(room, now_s=time.time())
        if session is not None and not identity.startswith(INTERPRETER):
            self._store.left(session, now_s=time.time())


async def serve(
    *,
    host: str,
    port: int,
    keys: Keys,
    faults: Sequence[str],
    livekit: LiveKit | None = None,
    until_eof: bool = False,
) -> None:
    """Run a sandbox until SIGTERM, SIGINT or, if asked, the end of standard input.

    The first line on standard output is JSON with the URL, the credentials and what interprets. Raises ValueError for
    an unknown fault, OSError when the address cannot be bound.
    """
    switched = Faults()
    for fault in faults:
        switched.set_from(fault)
    mode = engines.installed(load_phrases()).mode

    def announce(url: str) -> None:
        credentials = {"client_id": keys.client_id, "client_secret": keys.client_secret, "api_key": keys.api_key}
        sys.stdout.write(json.dumps({"url": url, **credentials, "interpreter": mode}) + "\n")
        sys.stdout.flush()

    running = asyncio.ensure_future(
        Sandbox(keys=keys, faults=switched, mode=mode, livekit=livekit).run(host, port, announce)
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    if until_eof:
        await loop.connect_read_pipe(lambda: _UntilEof(running), sys.stdin)
    try:
        await running
    except asyncio.CancelledError:
        pass


class _UntilEof(asyncio.Protocol):
    """Ends the server with its standard input."""

    def __init__(self, running: asyncio.Future[None]) -> None:
        self._running = running

    def connection_lost(self, exc: Exception | None) -> None:
        """No more input will come."""
        self._running.cancel()
