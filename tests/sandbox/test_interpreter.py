"""The interpreter as a process, spoken to over its pipe; in rooms it is tried in test_booth.py and test_server.py."""

import asyncio
import os
import sys

from service.sandbox import engines, pipe
from service.sandbox.orders import Pause
from service.sandbox.phrases import load_phrases
from tests.fakes.rooms import embedded


async def start() -> asyncio.subprocess.Process:
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
    pipe_ = asyncio.subprocess.PIPE
    program = (sys.executable, "-m", "service.sandbox.interpreter")
    return await asyncio.create_subprocess_exec(*program, stdin=pipe_, stdout=pipe_, stderr=pipe_, env=environ)


async def test_it_says_its_mode_survives_nonsense_and_ends_with_its_input():
    process = await start()
    first = pipe.from_line(await asyncio.wait_for(process.stdout.readline(), 20))
    assert first == ("", pipe.Mode(engines.installed(load_phrases()).mode))
    process.stdin.write(b"nonsense\n" + pipe.to_line("no such room", Pause()) + b"{}\n")
    process.stdin.close()
    _, stderr = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert [line.split(":")[1] for line in stderr.decode().splitlines()] == [" an order that nobody understands"] * 2


async def test_it_joins_leaves_and_tells_what_it_lost():
    async with embedded() as rooms:
        process = await start()

        def order(what: pipe.Order, room: str = "r") -> None:
            process.stdin.write(pipe.to_line(room, what))

        lost: dict[str, str] = {}

        async def listen() -> None:
            async for line in process.stdout:
                room, event = pipe.from_line(line)
                if isinstance(event, pipe.Gone):
                    lost[room] = event.why

        listening = asyncio.ensure_future(listen())

        async def until(good):
            async with asyncio.timeout(20):
                while not good():
                    await asyncio.sleep(0.01)

        def inside() -> list[str]:
            return sorted(
                f"{room}/{one}" for room in rooms.server.rooms for one in rooms.server.rooms[room].participants
            )

        order(pipe.Join(rooms.url, "r/palabra_translator_1", "box"))
        order(pipe.Join(rooms.url, "other/palabra_translator_2", "box"), "other")
        order(pipe.Join(rooms.url, "nonsense", "box"), "refused")
        await until(lambda: inside() == ["other/palabra_translator_2", "r/palabra_translator_1"])
        order(pipe.Leave(), "other")
        await until(lambda: inside() == ["r/palabra_translator_1"])
        order(pipe.Join(rooms.url, "r/palabra_translator_3", "box"))  # in place of the one that is there
        await until(lambda: inside() == ["r/palabra_translator_3"])
        await rooms.server.end_room("r")
        await until(lambda: "r" in lost)
        order(pipe.Join(rooms.url, "r/palabra_translator_4", "box"))
        await until(lambda: inside() == ["r/palabra_translator_4"])
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
        await listening
        assert await process.stderr.read() == b""
        assert inside() == []
        assert lost.keys() == {"r", "refused"} and "refuses the token" in lost["refused"]


async def test_it_ends_quietly_when_its_server_is_killed():
    asked = asyncio.Event()

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        process = await start()
        await asyncio.wait_for(process.stdout.readline(), 20)
        process.stdout._transport.close()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        process.stdin.write(pipe.to_line("r", pipe.Join(url, "token", "box")))
        await asyncio.wait_for(asked.wait(), 10)
        await asyncio.sleep(0.3)  # for telling nobody that the room is lost
        process.stdin.close()
        assert (await asyncio.wait_for(process.stderr.read(), 10), await asyncio.wait_for(process.wait(), 10)) == (
            b"",
            0,
        )
