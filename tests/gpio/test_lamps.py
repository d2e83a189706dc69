import asyncio

import pytest

from service.core.errors import FaultCode
from service.core.lamps import CODES, FAST, OFF, ON, SLOW
from service.gpio.lamps import Lamps
from service.gpio.pins import Pins

BOX = {"link": (5, True), "live": (6, True), "alert": (13, False), "l1": (19, True)}


class Desk:
    """Lamps on mock pins, and a loop whose time the test moves; `seen` has every change with its time."""

    def __init__(self, lamps):
        self.loop = asyncio.get_running_loop()
        self.now_s, self._handles = 1000.0, []
        self.loop.time = lambda: self.now_s
        self._call_at = self.loop.call_at
        self.loop.call_at = self._counting
        self.pins = Pins("mock")
        self.lamps = Lamps(pins=self.pins, lamps=lamps)

    def _counting(self, *args, **kwargs):
        handle = self._call_at(*args, **kwargs)
        self._handles.append(handle)
        return handle

    @property
    def timers(self):
        """How many were ever set."""
        return len(self._handles)

    def pending(self):
        return sum(not handle.cancelled() and handle.when() > self.now_s for handle in self._handles)

    async def watch(self, seconds, *names):
        """What these lamps do: one character per 50 ms, taken in the middle of each."""
        end_s, seen = self.now_s + seconds, {name: "" for name in names}
        while self.now_s < end_s - 1e-6:
            await self._to(self.now_s + 0.025)
            for name in names:
                seen[name] += "#" if self.lamps.lit[name] else "."
            await self._to(self.now_s + 0.025)
        return list(seen.values()) if len(names) > 1 else seen[names[0]]

    async def _to(self, at_s):
        self.now_s = at_s
        for _ in range(3):
            await asyncio.sleep(0)

    def close(self):
        self.lamps.close()
        self.pins.close()


@pytest.fixture
async def desk():
    desk = Desk(BOX)
    yield desk
    desk.close()


async def test_a_pin_that_is_none_is_not_opened_and_all_are_dark_at_first(desk):
    assert desk.lamps.lit == {"link": False, "live": False, "alert": False, "l1": False}
    assert desk.pins.pin(13).state  # lit by a low level


async def test_steady_lamps_change_at_once_and_need_no_timer(desk):
    desk.lamps.show({"link": ON, "live": OFF, "alert": ON, "l1": ON, "l2": ON})
    assert desk.lamps.lit == {"link": True, "live": False, "alert": True, "l1": True}
    assert not desk.pins.pin(13).state
    desk.lamps.show({"link": OFF, "live": ON})
    assert desk.lamps.lit == {"link": False, "live": True, "alert": False, "l1": False}
    assert desk.timers == 0


async def test_a_dark_lamp_begins_lit_and_a_lit_one_dark(desk):
    desk.lamps.show({"live": SLOW})
    assert desk.lamps.lit["live"]
    assert await desk.watch(4, "live") == ("#" * 20 + "." * 20) * 2
    desk.lamps.show({"live": ON})
    desk.lamps.show({"live": SLOW})
    assert not desk.lamps.lit["live"]
    assert await desk.watch(3, "live") == "." * 20 + "#" * 20 + "." * 20


async def test_a_code_is_counted_from_its_start(desk):
    desk.lamps.show({"alert": ON})
    desk.lamps.show({"alert": CODES[FaultCode.CREDENTIALS]})
    long_flash, two_flashes, pause = "#" * 20 + "." * 10, ("#" * 5 + "." * 7) * 2, "." * 24
    assert await desk.watch(0.35 + 1.2 + 1.5 + 1.2 + 1.2, "alert") == "." * 7 + pause + long_flash + two_flashes + pause


async def test_what_does_not_change_keeps_its_phase(desk):
    desk.lamps.show({"link": FAST, "live": OFF})
    seen = await desk.watch(0.6, "link")
    desk.lamps.show({"link": FAST, "live": OFF})
    seen += await desk.watch(0.1, "link")
    desk.lamps.show({"link": FAST, "live": SLOW})
    seen += await desk.watch(1.3, "link")
    assert seen == ("#####" + ".....") * 4


async def test_a_lamp_that_joins_a_pattern_shows_it_at_once_and_all_go_on_in_step(desk):
    desk.lamps.show({"l1": FAST})
    await desk.watch(0.3, "l1")
    assert not desk.lamps.lit["l1"]
    desk.lamps.show({"l1": FAST, "live": FAST})
    assert desk.lamps.lit["live"]
    assert await desk.watch(2, "live", "l1") == [("#####" + ".....") * 4] * 2


async def test_lamps_that_begin_together_blink_together(desk):
    desk.lamps.show({"live": ON})
    desk.lamps.show({"link": FAST, "live": FAST, "alert": FAST})
    seen = await desk.watch(2, "link", "live", "alert")
    assert seen == [("#####" + ".....") * 4] * 3


async def test_it_is_woken_only_when_a_lamp_changes(desk):
    desk.lamps.show({"link": ON, "live": SLOW})
    await desk.watch(10, "live")
    assert desk.timers == 11
    for _ in range(100):
        desk.lamps.show({"link": ON, "live": SLOW})
    assert (desk.timers, desk.pending()) == (11, 1)
    desk.lamps.show({"link": ON, "live": FAST})
    assert (desk.timers, desk.pending()) == (12, 1)


async def test_a_pattern_does_not_drift_in_a_day():
    desk = Desk(BOX)
    desk.lamps.show({"live": FAST})
    began_s = desk.now_s
    desk.now_s = began_s + 86_400.1  # the loop stood still, or had better things to do
    await desk.watch(0.15, "live")
    assert (desk.now_s - began_s) % 0.5 == pytest.approx(0.25)
    assert await desk.watch(1, "live") == ("....." + "#####") * 2
    desk.close()


async def test_a_box_with_one_lamp_shows_the_code_on_it():
    desk = Desk({"live": (6, True), "l1": (19, True)})
    desk.lamps.show({"link": ON, "live": ON, "alert": OFF})
    assert desk.lamps.lit["live"]
    desk.lamps.show({"link": ON, "live": OFF, "alert": CODES[FaultCode.NETWORK]})
    seen = await desk.watch(1.55 + 3.3, "live")
    assert seen == "." * 31 + "#" * 20 + "." * 10 + "#" * 5 + "." * 31
    desk.close()


async def test_on_close_all_go_dark_and_stay_so(desk):
    desk.lamps.show({"link": ON, "live": FAST, "alert": ON})
    desk.lamps.close()
    desk.lamps.close()
    assert desk.pending() == 0
    assert [desk.pins.pin(number).state for number in (5, 6, 13)] == [False, False, True]
    desk.lamps.show({"link": ON, "live": FAST, "alert": FAST})
    await desk._to(desk.now_s + 5)
    assert desk.lamps.lit == {}
    assert [desk.pins.pin(number).state for number in (5, 6, 13)] == [False, False, True]


async def test_no_lamp_needs_no_pins():
    lamps = Lamps(pins=Pins("lgpio"), lamps={})
    lamps.show({"link": ON, "live": ON, "alert": FAST})
    assert lamps.lit == {}
    lamps.close()
