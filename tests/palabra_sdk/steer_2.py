"""The vendor's SDK 2.2.1 steers a session: `steer_2.py URL`, every event is printed.

Waits are those of the service's limits: one set_task in two seconds.
"""

import asyncio
import sys

import told
from drive_2 import sandbox_at
from palabra_ai import Audio, TaskStatus, build_task


async def main(url: str) -> None:
    async with sandbox_at(url).translation("en", ["es"]) as session:

        async def until(kind: type, **fields: object) -> None:
            async with asyncio.timeout(10):
                async for event in session:
                    told.show(event)
                    if isinstance(event, kind) and all(getattr(event, key) == one for key, one in fields.items()):
                        return

        await session.speak("Hola a todos", "es")
        await until(Audio, last_chunk=True)
        await session.interrupt()
        await until(TaskStatus, event="interrupted")
        await session.pause()
        await until(TaskStatus, event="paused")
        await asyncio.sleep(2.1)
        await session.resume()
        await until(TaskStatus, event="resumed")
        await asyncio.sleep(2.1)
        await session.set_task(build_task("en", ["fr"]))
        await until(TaskStatus, event="updated")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
