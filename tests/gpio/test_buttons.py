import asyncio
import random
import threading
import time
from pathlib import Path

import pytest

from service.core.commands import End, Identify, Mute, NextPair, Stuck, ToggleLive
from service.core.errors import NeedsPerson
from service.core.gestures import Button
from service.gpio.buttons import Buttons
from service.gpio.pins import Pins
from tests.core.test_gestures import bouncing
from tests.fakes.virtual_time import run

LANG, LIVE, MUTE = 17, 27, 22


class Desk:
    """Buttons on mock pins, and a loop whose time the test moves."""

    def __init__(self, *, kind="mock", **numbers):
        self.loop = asyncio.get_running_loop()
        self.now_s = 1000.0
        self.loop.time = lambda: self.now_s
        self.pins = Pins(kind)
        self.asked = []
        self.buttons = Buttons(pins=self.pins, ask=self.asked.append, clock=self.loop.time, **numbers)

    def press(self, number):
        self.pins.pin(number).drive_low()

    def release(self, number):
        self.pins.pin(number).drive_high()

    async def after(self, seconds):
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(self.now_s + 0.01, end_s)
            await self.settle()

    async def settle(self):
        for _ in range(3):
            await asyncio.sleep(0)

    def close(self):
        self.buttons.close()
        self.pins.close()


@pytest.fixture
async def desk():
    desk = Desk(lang=LANG, live=LIVE, mute=MUTE)
    yield desk
    desk.close()


async def test_a_tap_acts_on_release(desk):
    desk.press(LANG)
    await desk.after(0.3)
    assert desk.asked == []
    desk.release(LANG)
    await desk.settle()
    assert desk.asked == [NextPair()]


async def test_a_hold_acts_after_one_second_under_the_finger(desk):
    desk.press(LIVE)
    await desk.after(0.98)
    assert desk.asked == []
    await desk.after(0.02)
    assert desk.asked == [End()]
    await desk.after(2.0)
    desk.release(LIVE)
    await desk.after(1.0)
    assert desk.asked == [End()]


async def test_mute_acts_on_the_edge_and_a_long_one_is_taken_back(desk):
    desk.press(MUTE)
    await desk.settle()
    assert desk.asked == [Mute()]
    await desk.after(0.8)
    desk.release(MUTE)
    await desk.settle()
    assert desk.asked == [Mute(), Mute()]


async def test_a_button_that_is_down_at_the_start_means_nothing_and_is_told_of_when_it_stays_so(monkeypatch, tmp_path):
    """A mock lets go of every pin that is opened; a real line does not, nor does one in a file."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "file_pins")
    monkeypatch.setenv("FILE_PINS", str(tmp_path))
    contact = tmp_path / f"{LIVE}.pressed"
    contact.touch()
    desk = Desk(kind="file", live=LIVE)
    await desk.after(29.9)
    assert desk.asked == []
    await desk.after(0.2)
    assert desk.asked == [Stuck("live", True)]
    contact.unlink()
    for _ in range(1000):  # a thread looks at the file
        time.sleep(0.005)  # noqa: ASYNC251 - the loop's time is ours
        await desk.settle()
        if len(desk.asked) > 1:
            break
    assert desk.asked == [Stuck("live", True), Stuck("live", False)]
    desk.close()


async def test_both_together_ask_which_box_it_is(desk):
    desk.press(LANG)
    desk.press(LIVE)
    await desk.after(3.1)
    assert desk.asked == [Identify()]
    desk.release(LIVE)
    desk.release(LANG)
    await desk.after(1.0)
    assert desk.asked == [Identify()]


async def test_a_press_shorter_than_its_bouncing_counts_when_it_has_settled(desk):
    desk.press(LIVE)
    desk.release(LIVE)
    await desk.after(0.04)
    assert desk.asked == [ToggleLive()]


@pytest.mark.parametrize("presses", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_bouncing_pins_give_one_command_a_press(presses):
    """M12 on the whole road from the pin: the mock does not debounce, as some boards do not."""
    numbers = {Button.LANG: LANG, Button.LIVE: LIVE, Button.MUTE: MUTE}
    meanings = {Button.LANG: NextPair(), Button.LIVE: ToggleLive(), Button.MUTE: Mute()}

    async def story():
        chance, loop, pins, asked = random.Random(7), asyncio.get_running_loop(), Pins("mock"), []
        buttons = Buttons(pins=pins, ask=asked.append, clock=loop.time, lang=LANG, live=LIVE, mute=MUTE)
        for number in range(presses):
            button = chance.choice(list(Button))
            pressed_s = loop.time() + 0.001
            released_s = pressed_s + chance.uniform(0.016, 0.49)
            edges = bouncing(chance, button, True, pressed_s) + bouncing(chance, button, False, released_s)
            for _, pressed, at_s in edges:
                await asyncio.sleep(at_s - loop.time())
                pin = pins.pin(numbers[button])
                (pin.drive_low if pressed else pin.drive_high)()
            await asyncio.sleep(chance.uniform(0.05, 0.5))
            assert asked == [meanings[button]], f"press {number} of {button}"
            asked.clear()
        buttons.close()
        pins.close()

    run(story())


async def test_edges_come_from_another_thread(desk):
    def finger():
        desk.press(MUTE)
        desk.release(MUTE)

    thread = threading.Thread(target=finger)
    thread.start()
    thread.join()
    assert desk.asked == []  # not in that thread
    await desk.settle()
    assert desk.asked == [Mute()]


async def test_a_button_without_a_pin_is_not_opened():
    desk = Desk(live=LIVE)
    desk.pins.led(LANG), desk.pins.led(MUTE)  # free for others
    desk.press(LIVE)
    desk.release(LIVE)
    await desk.after(0.1)
    assert desk.asked == [ToggleLive()]
    desk.close()


async def test_no_button_needs_no_pins():
    buttons = Buttons(pins=Pins("lgpio"), ask=print)  # would fail here if it were opened
    buttons.close()


async def test_after_close_nothing_is_asked_and_closing_twice_is_safe(desk):
    desk.press(LIVE)
    await desk.settle()
    desk.press(MUTE)  # on its way to the loop
    desk.buttons.close()
    desk.buttons.close()
    desk.release(LIVE)
    await desk.after(2.0)
    assert desk.asked == []


def test_an_edge_after_the_loop_has_ended_does_not_raise():
    """In gpiozero's thread an exception would stop the edges of all buttons."""

    async def build():
        return Desk(live=LIVE)

    desk = asyncio.run(build())
    desk.press(LIVE)
    desk.release(LIVE)
    assert desk.asked == []
    desk.close()


async def test_a_pin_that_is_taken_is_a_fault_with_its_number():
    pins = Pins("mock")
    pins.led(LIVE)
    with pytest.raises(NeedsPerson, match=f"GPIO {LIVE}"):
        Buttons(pins=pins, ask=print, lang=LANG, live=LIVE)
    pins.close()
    Buttons(pins=pins, ask=print, lang=LANG, live=LIVE).close()
    pins.close()
