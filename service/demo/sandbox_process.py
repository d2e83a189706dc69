"""The sandbox beside the demo's box: a process of its own, which ends when the demo does, however that ends."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from service.core.errors import CloudUnreachable

START_S = 20.0
STOP_S = 3.0


@dataclass(frozen=True, slots=True)
class Address:
    """What a sandbox says of itself when it has started."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    interpreter: str


@asynccontextmanager
async def sandbox_process() -> AsyncIterator[Address]:
    """A running sandbox on a free port of the loopback interface. Raises CloudUnreachable when it does not start."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "sandbox", "--listen", "127.0.0.1:0", "--until-eof"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C at the terminal is for the demo alone
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        try:
            async with asyncio.timeout(START_S):
                said = json.loads(await process.stdout.readline())
        except (TimeoutError, ValueError):
            raise CloudUnreachable("the sandbox did not start; run `boothd sandbox` to see why") from None
        yield Address(said["url"], said["client_id"], said["client_secret"], said["interpreter"])
    finally:
        process.stdin.close()
        # Not asyncio.timeout: in Python 3.11.2 it says CancelledError in a task that is being cancelled.
        ended, _ = await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=STOP_S)
        if not ended:
            process.kill()
            await process.wait()
