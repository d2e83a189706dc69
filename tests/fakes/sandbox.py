"""`boothd sandbox` as a process of its own, spoken to over HTTP as anybody would."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from service.core.audio import EncodedFrame

START_S = 20.0


class Api:
    """What a sandbox serves over HTTP. `said` is its start line."""

    def __init__(self, said: dict[str, str], http: aiohttp.ClientSession) -> None:
        self.said, self.url, self._http = said, said["url"], http
        self._headers = {"ClientId": said["client_id"], "ClientSecret": said["client_secret"]}

    def post(self, **data: object):
        """Create a session; the raw answer."""
        path = "/session-storage/session"
        return self._http.post(self.url + path, json={"data": data}, headers=self._headers, allow_redirects=False)

    async def create(self, **data: object) -> dict[str, Any]:
        """The data of a new session."""
        async with self.post(**data) as answer:
            assert answer.status == 201, await answer.text()
            return (await answer.json())["data"]

    async def lapse(self, session: dict[str, Any], ttl_s: int) -> None:
        path = f"/session-storage/sessions/{session['id']}?ttl_seconds={ttl_s}"
        async with self._http.post(self.url + path, headers=self._headers) as answer:
            assert answer.status == 204

    async def delete(self, session: dict[str, Any]) -> None:
        path = f"/session-storage/sessions/{session['id']}"
        async with self._http.delete(self.url + path, headers=self._headers) as answer:
            assert answer.status == 204

    async def get(self, path: str) -> Any:
        async with self._http.get(self.url + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def happened(self) -> list[tuple[str, str]]:
        """What happened and who did it, in order."""
        return [(event["what"], event["who"]) for event in await self.get("/sandbox/events")]

    async def until_happened(self, *event: str) -> None:
        await until(lambda: self.happened(), lambda happened: event in happened, f"{event}")

    @asynccontextmanager
    async def fault(self, name: str, value: object = None) -> AsyncIterator[None]:
        """Switched on for this while."""
        body = {"name": name, "value": value}
        async with self._http.post(f"{self.url}/sandbox/faults", json=body) as answer:
            assert answer.status == 200, await answer.text()
        try:
            yield
        finally:
            async with self._http.delete(f"{self.url}/sandbox/faults/{name}") as answer:
                assert answer.status == 200, await answer.text()

    def manage(self, session: dict[str, Any], token: str | None = None):
        """The management WebSocket: the publisher's, or of this token."""
        return self._http.ws_connect(f"{session['ws_url']}?token={token or session['publisher']}")


class SandboxProcess(Api):
    """One running sandbox. Its standard error is kept; asyncio's debug mode, which would fill it, is off."""

    def __init__(self, process: asyncio.subprocess.Process, said: dict[str, str], http: aiohttp.ClientSession) -> None:
        super().__init__(said, http)
        self.process = process

    async def stop(self, how: int = signal.SIGTERM) -> tuple[int, float, str]:
        """The exit code, how long it took, and all that was said on standard error."""
        began_s = time.monotonic()
        self.process.send_signal(how)
        _, stderr = await asyncio.wait_for(self.process.communicate(), 10)
        return self.process.returncode, time.monotonic() - began_s, stderr.decode()


async def start(*options: str, stdin: int | None = None) -> asyncio.subprocess.Process:
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "sandbox", *options),
        env=environ,
        stdin=stdin or asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def sandbox(
    *options: str, listen: str = "127.0.0.1:0", stdin: int | None = None
) -> AsyncIterator[SandboxProcess]:
    process = await start("--listen", listen, *options, stdin=stdin)
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_S)
        assert line, (await process.stderr.read()).decode()
        async with aiohttp.ClientSession() as http:
            yield SandboxProcess(process, json.loads(line), http)
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.communicate(), 10)


async def until(look: Callable[[], Any], good: Callable[[Any], Any], what: str, limit_s: float = 10.0) -> Any:
    """What is seen, once it is good."""
    seen = None
    try:
        async with asyncio.timeout(limit_s):
            while not good(seen := await look()):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {limit_s} s in vain for {what}; now {str(seen)[:500]}") from None
    return seen


def alive(pid: int) -> bool:
    """Whether this process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Ear:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.frames: list[EncodedFrame] = []

    def push(self, frame: EncodedFrame) -> None:
        self.frames.append(frame)


class Relay:
    """A TCP relay in front of a server, whose connections can be broken."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.break_all()

    def break_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {writer, there_writer}
        self._writers |= ends
        await asyncio.gather(copied(reader, there_writer), copied(there_reader, writer))
        self._writers -= ends


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction until it ends."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
