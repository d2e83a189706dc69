"""A sandbox behind TLS: the session API rewritten to name encrypted addresses, and a plain relay for the rest."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from tests.fakes.certificates import Authority
from tests.fakes.sandbox import copied


@contextmanager
def behind_tls(url: str, authority: Authority) -> Iterator[str]:
    """The address of the session API over TLS, served by a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    front = _Front(url, authority)
    try:
        yield asyncio.run_coroutine_threadsafe(front.open(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(front.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class _Front:
    def __init__(self, url: str, authority: Authority) -> None:
        self._url, self._host, self._authority = url, urlsplit(url).netloc, authority
        self._relayed: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        context = self._authority.server()
        self._relay = await asyncio.start_server(self._carry, "127.0.0.1", 0, ssl=context)
        port = self._relay.sockets[0].getsockname()[1]
        self._rest = f"127.0.0.1:{port}"
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._ask)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        return f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()
        self._relay.close()
        for task in self._relayed:
            task.cancel()
        await asyncio.gather(*self._relayed, return_exceptions=True)

    async def _ask(self, request: web.Request) -> web.Response:
        kept = {name: text for name, text in request.headers.items() if name.lower() not in ("host", "content-length")}
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                request.method, self._url + request.path_qs, data=await request.read(), headers=kept
            ) as answer,
        ):
            text = await answer.text()
        for scheme in ("http", "ws"):
            text = text.replace(f"{scheme}://{self._host}", f"{scheme}s://{self._rest}")
        return web.Response(status=answer.status, text=text, content_type="application/json")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relayed.add(task)
        host, _, port = self._host.partition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(copied(reader, there_writer), copied(there_reader, writer))
        finally:
            self._relayed.discard(task)
