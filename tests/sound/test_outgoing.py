"""In virtual time: a card that pushes frame after frame, and somebody who reads them."""

import asyncio
import functools
from contextlib import asynccontextmanager

import pytest

from service.core.audio import EncodedFrame
from service.sound.outgoing import Outgoing
from tests.fakes.virtual_time import run


class Wire:
    """What goes out, and when."""

    def __init__(self) -> None:
        self.outgoing = Outgoing(silence=b"silence", clock=asyncio.get_running_loop().time)
        self.frames: list[EncodedFrame] = []
        self.times_s: list[float] = []
        self.number = 0
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            self.frames.append(await self.outgoing.read())
            self.times_s.append(asyncio.get_running_loop().time())

    async def card(self, frames: int, *, pace_s: float = 0.02) -> None:
        """So many frames, each in its time."""
        await asyncio.sleep(0)  # who reads is there first
        for _ in range(frames):
            self.outgoing.push(self.number, f"{self.number}".encode())
            self.number += 1
            await asyncio.sleep(pace_s)

    async def end(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    @property
    def payloads(self) -> list[bytes]:
        return [frame.payload for frame in self.frames]

    def gaps_s(self) -> list[float]:
        return [round(after - before, 3) for before, after in zip(self.times_s, self.times_s[1:], strict=False)]


@asynccontextmanager
async def wired():
    wire = Wire()
    try:
        yield wire
    finally:
        await wire.end()
    # Each packet is where the clock says, a quarter of a second at most off, and time goes forward.
    for counts in ([frame.timestamp for frame in wire.frames], [frame.sequence for frame in wire.frames]):
        assert counts == sorted(set(counts))
    assert wire.frames[-1].sequence == len(wire.frames) + wire.outgoing.dropped - 1
    for frame, time_s in zip(wire.frames, wire.times_s, strict=True):
        assert frame.timestamp / 48_000 == pytest.approx(time_s - wire.times_s[0], abs=0.27)


def story(test):
    """Run a test's coroutine in virtual time."""

    @functools.wraps(test)
    def wrapper(**arguments):
        run(test(**arguments))

    return wrapper


@story
async def test_the_card_is_the_clock():
    async with wired() as wire:
        await wire.card(500)
    assert wire.payloads == [f"{number}".encode() for number in range(500)]
    assert set(wire.gaps_s()) == {0.02}


@story
async def test_a_card_that_hangs_is_replaced_by_silence_after_a_quarter_of_a_second():
    async with wired() as wire:
        await wire.card(50)
        await asyncio.sleep(9.0)
    assert max(wire.gaps_s()) == pytest.approx(0.25, abs=0.001)
    assert set(wire.payloads[50:]) == {b"silence"} and set(wire.gaps_s()[51:]) == {0.02}
    assert len(wire.frames) == pytest.approx(50 + (9.0 - 0.25) / 0.02, abs=3)


@pytest.mark.parametrize("lost_frames", [100, 99, 101])
@story
async def test_after_an_overrun_the_card_goes_on_within_a_tenth_of_a_second(lost_frames):
    async with wired() as wire:
        await wire.card(50)
        await asyncio.sleep(2.0)
        wire.number += lost_frames
        await wire.card(50)
    sound = [payload for payload in wire.payloads if payload != b"silence"]
    assert sound[-44:] == [f"{50 + lost_frames + n}".encode() for n in range(6, 50)]


@story
async def test_a_card_whose_clock_stood_still_is_followed_again_within_a_tenth_of_a_second():
    async with wired() as wire:
        await wire.card(50)
        await asyncio.sleep(5.0)
        await wire.card(100)
    sound = [payload for payload in wire.payloads if payload != b"silence"]
    assert len(sound) >= 144 and sound[50:] == [f"{number}".encode() for number in range(200 - len(sound), 150)]
    assert max(wire.gaps_s()) == pytest.approx(0.25, abs=0.001)


@story
async def test_after_a_stall_no_more_than_five_packets_come_at_once():
    async with wired() as wire:
        await wire.card(50)
        for _ in range(9):
            wire.outgoing.push(wire.number, f"{wire.number}".encode())
            wire.number += 1
        await asyncio.sleep(0.18)
        await wire.card(50)
    assert b"silence" not in wire.payloads and wire.outgoing.dropped == 4
    assert wire.payloads[50:] == [f"{number}".encode() for number in range(54, 109)]


@story
async def test_what_comes_too_late_after_a_long_stall_is_dropped_and_the_rest_is_in_its_time():
    async with wired() as wire:
        await wire.card(50)
        await asyncio.sleep(0.3)
        await wire.card(15, pace_s=0.0)
        await wire.card(50)
    sound = [frame for frame in wire.frames if frame.payload != b"silence"]
    assert 100 <= len(sound) < 110 and b"silence" in wire.payloads
    assert all(frame.timestamp == 960 * int(frame.payload) for frame in sound)
