"""livekit-client in Debian's Chromium, driven by the Chrome DevTools protocol."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.conformance.servers import installed, required
from tests.fakes.servers import serving
from tests.foreign.people import PATIENCE_S, Seen

HERE = Path(__file__).parent
START_S = 30.0
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # these tests may be run by root
    "--disable-gpu",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--remote-debugging-port=0",
)


def packages() -> Path:
    """The folder that holds both versions of livekit-client. Skips the test on a machine without npm; fails in CI."""
    done = subprocess.run([str(HERE / "install")], capture_output=True, text=True)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    if required() or shutil.which("npm"):
        pytest.fail(f"livekit-client cannot be installed:\n{done.stderr}", pytrace=False)
    pytest.skip("livekit-client is not tried: not in the cache, and no npm here to install it")


@contextmanager
def chromium(profile: Path) -> Iterator[str]:
    """The base URL of its DevTools."""
    command = [installed("chromium", package="chromium"), *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    with (profile / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        told, end_s = profile / "DevToolsActivePort", time.monotonic() + START_S
        while not (told.exists() and "\n" in told.read_text()):
            if process.poll() is not None or time.monotonic() > end_s:
                raise AssertionError(f"chromium does not start:\n{(profile / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Page:
    """One tab with `page.html`."""

    def __init__(self, devtools: aiohttp.ClientWebSocketResponse) -> None:
        self._devtools, self._number = devtools, 0
        self._one_at_a_time = asyncio.Lock()

    async def _command(self, method: str, **params: Any) -> dict[str, Any]:
        async with self._one_at_a_time, asyncio.timeout(PATIENCE_S):
            self._number += 1
            await self._devtools.send_json({"id": self._number, "method": method, "params": params})
            while (answer := await self._devtools.receive_json()).get("id") != self._number:
                pass
        return answer["result"]

    async def loaded(self) -> None:
        """Wait until its functions are there."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.call("(() => document.title && document.readyState)") != "complete":
                await asyncio.sleep(0.02)

    async def call(self, function: str, *arguments: Any) -> Any:
        """What a function of the page returns. Raises AssertionError with what it throws."""
        expression = f"{function}({', '.join(map(json.dumps, arguments))})"
        answer = await self._command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{function}: {answer['exceptionDetails']['exception'].get('description')}")
        return answer["result"].get("value")

    async def crash(self) -> None:
        """End the tab's process; nothing is said to anybody."""
        await self._devtools.send_json({"id": 0, "method": "Page.crash"})

    async def sing(self, hz: float) -> None:
        await self.call("sing", hz)

    async def send(self, message: bytes, *, reliable: bool = True) -> None:
        await self.call("send", b64encode(message).decode(), reliable)

    async def mute(self) -> None:
        await self.call("mute")

    async def look(self) -> Seen:
        seen = await self.call("look")
        seen["data"] = [(sender, b64decode(payload)) for sender, payload in seen["data"]]
        return Seen(**seen)


@asynccontextmanager
async def page(devtools: str, script: Path) -> AsyncIterator[Page]:
    """A new tab with this livekit-client, closed at the end."""

    async def serve(request: web.Request) -> web.FileResponse:
        return web.FileResponse(script if request.match_info["name"] == script.name else HERE / "page.html")

    app = web.Application()
    app.router.add_get("/{name}", serve)
    async with serving(app) as url, aiohttp.ClientSession() as http:
        async with http.put(f"{devtools}/json/new?{url}/page.html") as response:
            tab = await response.json()
        try:
            async with http.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                one = Page(socket)
                await one.loaded()
                yield one
        finally:
            async with http.get(f"{devtools}/json/close/{tab['id']}"):
                pass


@asynccontextmanager
async def crashed(devtools: str, script: Path, url: str, token: str) -> AsyncIterator[None]:
    """A singer in a tab whose process is ended at the end, so that it says nothing any more."""
    async with page(devtools, script) as one:
        await one.call("join", url, token)
        await one.sing(440)
        yield
        await one.crash()


@asynccontextmanager
async def browser(devtools: str, script: Path, url: str, token: str) -> AsyncIterator[Page]:
    """A `Join`, with these in front."""
    async with page(devtools, script) as one:
        await one.call("join", url, token)
        yield one
        await one.call("leave")
