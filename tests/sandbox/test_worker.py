"""The worker with small programs in place of the interpreter; the real one is started in test_server.py."""

import asyncio
import gc
import os
from contextlib import asynccontextmanager

import pytest

from service.sandbox import pipe, worker
from service.sandbox.worker import Worker


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    monkeypatch.setattr(worker, "STOP_S", 0.1)


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []
        self.starts: list[int | None] = []
        self.worker: Worker | None = None

    async def until(self, good) -> None:
        async with asyncio.timeout(10):
            while not good():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def working(*program: str):
    told = Told()
    told.worker = Worker(
        on_event=lambda room, event: told.events.append((room, event)),
        on_started=lambda: told.starts.append(told.worker.pid),
        program=program,
    )
    running = asyncio.ensure_future(told.worker.run())
    try:
        await told.until(lambda: told.starts)
        yield told
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_orders_go_in_events_come_out_and_it_ends_with_its_input():
    async with working("cat") as told:
        told.worker.order("r", pipe.Leave())
        told.worker.order("r", pipe.Send("x" * 500_000))
        await told.until(lambda: len(told.events) == 2)
        assert told.events == [("r", pipe.Leave()), ("r", pipe.Send("x" * 500_000))]
    assert gone(told.starts[0]) and told.worker.pid is None
    told.worker.order("r", pipe.Leave())  # nobody is there: nothing happens


async def test_it_is_started_again_when_it_dies(caplog):
    async with working("sh", "-c", "read line; exit 3") as told:
        told.worker.order("r", pipe.Leave())
        await told.until(lambda: len(told.starts) == 2)
        assert told.starts[0] != told.starts[1]
    assert "ended by itself (exit code 3)" in caplog.text


async def test_one_that_does_not_read_is_started_again_and_nobody_waits(caplog):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with working("sleep", "60") as told:
        for _ in range(20):
            told.worker.order("r", pipe.Send("x" * 100_000))
        await told.until(lambda: len(told.starts) == 2)
        assert gone(told.starts[0])
    assert "does not read its orders" in caplog.text
    gc.collect()
    assert complaints == [], "of exceptions that nobody retrieved"


async def test_an_order_that_is_too_long_is_not_given(monkeypatch, caplog):
    monkeypatch.setattr(pipe, "LINE_BYTES", 1000)
    async with working("cat") as told:
        told.worker.order("r", pipe.Send("x" * 1000))
        told.worker.order("r", pipe.Leave())
        await told.until(lambda: told.events)
        assert told.events == [("r", pipe.Leave())]
    assert "too long" in caplog.text


async def test_nonsense_is_passed_over(monkeypatch, caplog):
    monkeypatch.setattr(pipe, "LINE_BYTES", 1000)
    leave = pipe.to_line("r", pipe.Leave()).decode().strip()
    script = f"echo nonsense; head -c 5000 /dev/zero | tr '\\0' x; echo; echo '{leave}'; cat"
    async with working("sh", "-c", script) as told:
        await told.until(lambda: told.events)
        assert told.events == [("r", pipe.Leave())]
    assert "nobody understands" in caplog.text


async def test_one_that_does_not_end_is_killed():
    async with working("sleep", "60") as told:
        pass
    assert gone(told.starts[0])


async def test_one_that_never_works_is_not_started_without_end():
    async with working("true") as told:
        await asyncio.sleep(0.2)
        assert len(told.starts) == 1  # half a second at least before the next but one
