import asyncio

import pytest

from service.sandbox import outbox
from service.sandbox.outbox import Outbox


class Socket:
    """A WebSocket whose far end reads, or does not."""

    def __init__(self) -> None:
        self.sent: list[object] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.error: Exception | None = None

    async def send_bytes(self, frame: bytes) -> None:
        await self._send(frame)

    async def send_str(self, frame: str) -> None:
        await self._send(frame)

    async def close(self, *, code: int) -> None:
        await self._send(code)

    async def _send(self, what: object) -> None:
        if self.error is not None:
            raise self.error
        await self.reading.wait()
        self.sent.append(what)


class Transport:
    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
async def far():
    return Socket(), Transport()


async def test_frames_go_out_in_order_and_then_the_close(far):
    socket, transport = far
    box = Outbox(socket, transport)
    for frame in (b"1", "2", b"3"):
        box.put(frame)
    box.close(1001)
    box.put(b"too late")
    box.close(1000)
    await box.closed()
    assert socket.sent == [b"1", "2", b"3", 1001]
    assert not transport.aborted


async def test_whoever_does_not_read_is_cut_off_and_nobody_waits(far):
    socket, transport = far
    socket.reading.clear()
    box = Outbox(socket, transport)
    box.put("on its way")
    await asyncio.sleep(0)
    for _ in range(outbox.WAITING_FRAMES):
        box.put("waiting")
    assert not transport.aborted
    box.put("one more")
    assert transport.aborted
    await box.closed()
    assert socket.sent == []


async def test_a_close_does_not_wait_for_a_dead_end(far, monkeypatch):
    monkeypatch.setattr(outbox, "CLOSE_S", 0.05)
    socket, transport = far
    socket.reading.clear()
    box = Outbox(socket, transport)
    box.put("never read")
    async with asyncio.timeout(5):
        await box.closed()
    assert transport.aborted and socket.sent == []


async def test_a_close_of_a_full_one_cuts_it_off(far):
    socket, transport = far
    socket.reading.clear()
    box = Outbox(socket, transport)
    for _ in range(outbox.WAITING_FRAMES):
        box.put("x")
    box.close()
    assert transport.aborted
    await box.closed()


@pytest.mark.parametrize("error", [ConnectionResetError(), RuntimeError("the socket is closing")])
async def test_a_socket_that_is_gone_ends_it_quietly(far, error):
    socket, transport = far
    socket.error = error
    box = Outbox(socket, transport)
    box.put("x")
    await box.closed()
    box.put("y")  # nothing happens
