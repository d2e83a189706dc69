"""Processes of the quirk tests: boxes, sandboxes and the vendor, seen from outside only."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from service.web.client import NotReachable, fetch

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 40.0  # nothing here needs a quarter of it on a quiet machine
LOOK_S = 0.1

Picture = dict[str, Any]


class Process:
    """A process with its log in a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process, self._log = process, log

    @property
    def log(self) -> str:
        """What it has written to stderr so far."""
        return self._log.read_text()

    async def first_line(self) -> str:
        """The first line of its output."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        assert line, self.log
        return line.decode()

    async def type(self, line: str) -> None:
        """Write a line to its input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def stop(self) -> int:
        """SIGTERM, and its exit code; killed when it does not obey."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            return await asyncio.wait_for(self._process.wait(), 10.0)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise AssertionError(f"did not end by SIGTERM:\n{self.log}") from None


@asynccontextmanager
async def running(*argv: str, log: Path, environ: dict[str, str] | None = None) -> AsyncIterator[Process]:
    """This Python program, ended by SIGTERM."""
    # Asyncio's debug mode is for our own process: in theirs it would only make sound late.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHONASYNCIO", "PALABRA_"))}
    with log.open("w") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            cwd=REPOSITORY,
            env=inherited | (environ or {}),
        )
    one = Process(process, log)
    try:
        yield one
    finally:
        await one.stop()


class Box:
    """A running box. `until` and `said` wait, and fail with its last picture and log."""

    def __init__(self, process: Process, socket: Path, again: Callable[[], AbstractAsyncContextManager[Box]]) -> None:
        self.process, self._socket = process, socket
        self.again = again  # the same settings in a new process; this one has to be stopped first

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.process.log

    async def picture(self) -> Picture:
        """What `boothd status --json` shows; empty while it does not answer."""
        try:
            return await fetch(self._socket, "/v1/status")
        except NotReachable:
            return {}

    async def until(self, condition: Callable[[Picture], bool] = lambda _: True, **wanted: object) -> Picture:
        """Wait for a picture with these values that fulfils the condition."""
        picture: Picture = {}

        async def look() -> bool:
            nonlocal picture
            picture = await self.picture()
            return bool(picture) and wanted.items() <= picture.items() and condition(picture)

        assert await _wait(look), f"never seen: {wanted}; last: {json.dumps(picture)}\n{self.log}"
        return picture

    async def said(self, text: str, times: int = 1) -> None:
        """Wait until it has logged this so many times."""

        async def look() -> bool:
            return self.log.count(text) >= times

        assert await _wait(look), f"never logged: {text}\n{self.log}"


async def _wait(look: Callable[[], Awaitable[bool]]) -> bool:
    """Whether the look found it within our patience."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await look():
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        return False
    return True


class Vendor:
    """The scripted vendor, for one client."""

    def __init__(self, http: aiohttp.ClientSession, url: str, client: str) -> None:
        self._http, self.url, self.client = http, url, client
        self._script: dict[str, Any] = {}

    async def script(self, **changes: Any) -> None:
        """Set the script, or parts of it."""
        self._script |= changes
        async with self._http.put(f"{self.url}/script/{self.client}", json=self._script) as answer:
            assert answer.ok

    async def seen(self, *kinds: str) -> list[dict[str, Any]]:
        """What the client has done, of these kinds."""
        async with self._http.get(f"{self.url}/seen/{self.client}") as answer:
            return [event for event in await answer.json() if event["what"] in kinds or not kinds]

    async def until_seen(self, kind: str, times: int) -> list[dict[str, Any]]:
        """Wait until the client has done this so often."""

        async def look() -> bool:
            return len(await self.seen(kind)) >= times

        await _wait(look)
        seen = await self.seen(kind)
        assert len(seen) >= times, await self.seen()
        return seen

    async def say(self, *messages: object, close: int | None = None) -> None:
        """Send messages to its management socket, and close that."""
        wish = {"messages": messages} | ({} if close is None else {"close": close})
        async with self._http.post(f"{self.url}/say/{self.client}", json=wish) as answer:
            assert answer.ok

    async def hang_up(self) -> None:
        """Close its room's signalling."""
        async with self._http.post(f"{self.url}/hang-up/{self.client}") as answer:
            assert answer.ok


class Stage:
    """Starts what the stories need, and what they share only once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.silence = folder / "silence.wav"
        self._stack = AsyncExitStack()
        self._sandboxes: dict[tuple[str, ...], asyncio.Task[dict[str, str]]] = {}
        self._count = itertools.count(1)
        self.http: aiohttp.ClientSession
        self._vendor_url = ""

    async def open(self) -> None:
        """Start the vendor."""
        with wave.open(str(self.silence), "wb") as file:
            file.setparams((1, 2, 48000, 0, "NONE", ""))
            file.writeframes(bytes(9600))
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession())
        process = await self._running("vendor", "tests/quirks/vendor.py")
        self._vendor_url = (await process.first_line()).strip()

    async def close(self) -> None:
        """End everything that was shared."""
        await self._stack.aclose()

    async def sandbox(self, *faults: str) -> dict[str, str]:
        """The sandbox with these faults: its url, client_id, client_secret, api_key."""
        if faults not in self._sandboxes:
            self._sandboxes[faults] = asyncio.ensure_future(self._sandbox(faults))
        return await self._sandboxes[faults]

    async def _sandbox(self, faults: tuple[str, ...]) -> dict[str, str]:
        options = [part for fault in faults for part in ("--fault", fault)]
        argv = ("-m", "service", "sandbox", "--listen", "127.0.0.1:0", "--until-eof", *options)
        process = await self._running("sandbox", *argv)
        return json.loads(await process.first_line())

    async def _running(self, name: str, *argv: str) -> Process:
        return await self._stack.enter_async_context(running(*argv, log=self._path(name, "log")))

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{next(self._count)}-{name}.{suffix}"

    def vendor(self) -> Vendor:
        """The vendor as a new client meets it."""
        return Vendor(self.http, self._vendor_url, f"client-{next(self._count)}")

    def box(
        self,
        url: str,
        credentials: dict[str, str],
        *,
        pairs: str,
        session: str = "",
        line_in: Path | None = None,
        pre_roll: str = "2.5s",
        buttons: bool = False,
        **variables: str,
    ) -> AbstractAsyncContextManager[Box]:
        """A box that goes live by itself; with `buttons` it runs on mock pins, and `type` presses them."""
        config = self._path("box", "toml")
        config.write_text(
            f'[box]\nautostart = "always"\n[palabra]\nbase_url = "{url}"\n[session]\n{session}\n{pairs}\n'
            f'[audio.input]\ndevice = "wav:{line_in or self.silence}"\npre_roll = "{pre_roll}"\n'
            f'[audio.output]\ndevice = "wav:{config.with_suffix(".wav")}"\n'
            f'[http]\nsocket = "{config.with_suffix(".sock")}"\n[log]\ncaptions = true\n'
            + ("[buttons]\nlang = { pin = 17 }\nlive = { pin = 27 }\n" if buttons else "")
        )
        program = ("tests.quirks.desk", str(config)) if buttons else ("service", "run", "--config", str(config))
        environ = {f"PALABRA_{name.upper()}": value for name, value in credentials.items()} | variables
        return self._box(("-m", *program), environ, config.with_suffix(".sock"))

    @asynccontextmanager
    async def _box(self, program: tuple[str, ...], environ: dict[str, str], socket: Path) -> AsyncIterator[Box]:
        async with running(*program, log=self._path("box", "log"), environ=environ) as process:
            yield (box := Box(process, socket, again=lambda: self._box(program, environ, socket)))
            assert await process.stop() == 0, box.log
