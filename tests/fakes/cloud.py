"""A sandbox that serves the session API alone, with a clock that the test turns."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from service.core.session import ApiKey, ClientPair
from service.sandbox.faults import Faults
from service.sandbox.session_routes import routes
from service.sandbox.sessions import SessionStore, StoredSession
from service.sandbox.tokens import SigningKey
from tests.fakes.servers import serving

PAIR = ClientPair("planted-client-id", "planted-client-secret")
API_KEY = ApiKey("planted-api-key")
SIGNING_KEY = SigningKey("sandbox-key", "planted-signing-secret-of-32-bytes-or-more")


@dataclass
class SandboxApi:
    url: str = ""
    now_s: float = 1_800_000_000.0
    faults: Faults = field(default_factory=Faults)
    ended: list[StoredSession] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    store: SessionStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = SessionStore(key=SIGNING_KEY, on_deleted=self.ended.append)

    def open_sessions(self) -> list[StoredSession]:
        return self.store.sessions(now_s=self.now_s)


@asynccontextmanager
async def sandbox_api(*faults: str) -> AsyncIterator[SandboxApi]:
    api = SandboxApi()
    for fault in faults:
        api.faults.set_from(fault)

    @web.middleware
    async def note(request: web.Request, handler) -> web.StreamResponse:
        api.requests.append((request.method, request.path))
        return await handler(request)

    app = web.Application(middlewares=[note])
    app.add_routes(routes(store=api.store, faults=api.faults, pair=PAIR, api_key=API_KEY, now_s=lambda: api.now_s))
    async with serving(app) as api.url:
        yield api
