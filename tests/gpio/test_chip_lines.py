import asyncio

import pytest

from service.core.commands import ToggleLive
from service.core.errors import FaultCode, NeedsPerson
from service.core.gpio_lines import GpioLine
from service.core.lamps import OFF, ON
from service.gpio.buttons import Buttons
from service.gpio.lamps import Lamps
from service.gpio.pins import Pins

SOC, EXPANDER = "1c20800.pinctrl", "pcf8574"


@pytest.fixture
def pins(board):
    """A board that is no Raspberry Pi: two chips of its own, and two expanders alike."""
    board.chip(0, SOC, "PA6", "PA7", "", "NC", "NC", "red-led", "PA8")
    board.chip(1, "1f02c00.pinctrl", "PL2", "reset")
    board.chip(2, EXPANDER, "", "P1")
    board.chip(3, EXPANDER, "", "P1")
    board.line("red-led").user = "heartbeat"
    pins = Pins("lgpio", dev=board.dev)
    yield pins
    pins.close()
    assert not [line.name for chip in board.chips.values() for line in chip.lines if line.owner is not None]


def owned(chip, number):
    return chip.lines[number].owner is not None


def refusal(pins, line, chip=None, *, button=False):
    with pytest.raises(NeedsPerson) as caught:
        (pins.button if button else pins.led)(GpioLine(line, chip))
    assert caught.value.code is FaultCode.BOX
    return str(caught.value)


def test_a_lamp_is_found_by_the_name_of_its_line_on_whatever_chip(pins, board):
    led = pins.led(GpioLine("PL2"))
    assert (board.line("PL2").level, led.is_lit) == (0, False)
    led.on()
    assert (board.line("PL2").level, led.is_lit) == (1, True)
    led.off()
    assert (board.line("PL2").level, led.is_lit) == (0, False)


def test_a_lamp_that_a_low_level_lights_is_dark_from_the_first_moment(pins, board):
    led = pins.led(GpioLine("PA6"), active_high=False)
    assert (board.line("PA6").level, led.is_lit) == (1, False)
    led.on()
    assert (board.line("PA6").level, led.is_lit) == (0, True)


@pytest.mark.parametrize(
    ("line", "chip", "number", "offset"),
    [("PA7", SOC, 0, 1), (2, SOC, 0, 2), (4, "gpiochip0", 0, 4), (0, "gpiochip3", 3, 0), ("P1", "gpiochip2", 2, 1)],
)
def test_a_line_by_its_chip(pins, board, line, chip, number, offset):
    pins.led(GpioLine(line, chip)).on()
    claimed = [
        (at, other) for at, found in board.chips.items() for other in range(len(found.lines)) if owned(found, other)
    ]
    assert claimed == [(number, offset)]


def test_a_button_is_pulled_up_and_tells_each_press_once(pins, board):
    button, seen = pins.button(GpioLine("PA7")), []
    button.when_pressed, button.when_released = lambda: seen.append("down"), lambda: seen.append("up")
    assert board.line("PA7").bias == 32 and not button.is_pressed
    for level in (0, 1, 0, 1, 0):  # it bounces
        board.drive("PA7", level)
        board.wait(0.001)
    board.wait(0.01)
    assert (seen, button.is_pressed) == (["down"], True)
    board.drive("PA7", 1)
    board.wait(0.01)
    assert (seen, button.is_pressed) == (["down", "up"], False)


def test_a_glitch_is_no_press_and_no_release(pins, board):
    button, seen = pins.button(GpioLine("PA7")), []
    button.when_pressed, button.when_released = lambda: seen.append("down"), lambda: seen.append("up")
    board.drive("PA7", 0)
    board.wait(0.002)
    board.drive("PA7", 1)
    board.wait(0.02)
    assert seen == []


def test_a_button_that_is_down_at_the_start_is_seen_as_pressed(pins, board):
    board.line("PA7").level = 0
    button, seen = pins.button(GpioLine("PA7")), []
    button.when_released = lambda: seen.append("up")
    assert button.is_pressed
    board.drive("PA7", 1)
    board.wait(0.01)
    assert seen == ["up"]


async def test_buttons_and_lamps_do_not_notice_the_difference(pins, board):
    asked = []
    buttons = Buttons(pins=pins, ask=asked.append, live=GpioLine("PA7"))
    lamps = Lamps(pins=pins, lamps={"live": (GpioLine("PA6"), True), "link": (GpioLine("PL2"), False)})
    lamps.show({"live": ON, "link": OFF})
    assert (board.line("PA6").level, board.line("PL2").level, lamps.lit) == (1, 1, {"live": True, "link": False})
    board.drive("PA7", 0)
    board.wait(0.01)
    board.drive("PA7", 1)
    board.wait(0.01)
    for _ in range(100):  # a press shorter than its bouncing counts when it has settled
        await asyncio.sleep(0 if asked else 0.01)
    assert asked == [ToggleLive()]
    lamps.close()
    assert (board.line("PA6").level, board.line("PL2").level) == (0, 1)
    buttons.close()


def test_after_close_the_lines_are_free_for_others(pins, board):
    pins.button(GpioLine("PA7")), pins.led(GpioLine("PL2"))
    pins.close()
    pins.close()
    assert not board.line("PA7").used and not board.line("PL2").used and not board.callbacks
    pins.button(GpioLine("PA7"))  # and for us


# -- what is wrong is said in one line, with the remedy


def test_no_such_name(pins):
    assert refusal(pins, "pa77") == "line pa77 does not exist, did you mean PA7?; `gpioinfo` shows the lines"
    assert refusal(pins, "XYZ") == "line XYZ does not exist; `gpioinfo` shows the lines"
    assert refusal(pins, "PL2", SOC).startswith("line PL2 of 1c20800.pinctrl does not exist")


def test_a_name_that_several_lines_have(pins):
    text = refusal(pins, "NC")
    assert text == f'line NC exists 2 times; write {{ line = 3, chip = "{SOC}" }} or {{ line = 4, chip = "{SOC}" }}'
    assert '{ line = 1, chip = "gpiochip2" } or { line = 1, chip = "gpiochip3" }' in refusal(pins, "P1")


def test_no_such_chip_or_several(pins):
    assert refusal(pins, 1, "gpiochip9") == (
        'no gpiochip is called "gpiochip9"; there are 1c20800.pinctrl, 1f02c00.pinctrl, gpiochip2, gpiochip3'
    )
    assert refusal(pins, 1, EXPANDER) == 'several gpiochips are called "pcf8574"; write gpiochip2 or gpiochip3'


def test_no_such_number(pins):
    assert refusal(pins, 7, SOC) == "line 7 of 1c20800.pinctrl does not exist: its lines are 0 to 6"


def test_a_line_that_somebody_has(pins, board):
    text = "line red-led cannot be used: heartbeat has it ('GPIO busy'); end that or configure another line"
    assert refusal(pins, "red-led") == refusal(pins, "red-led", button=True) == text
    board.line("red-led").user = ""
    pins.led(GpioLine("red-led"))  # once it is ended


def test_one_line_by_two_of_its_names_is_no_two_lines(pins, board):
    pins.led(GpioLine("PA7")).on()
    assert refusal(pins, 1, SOC, button=True) == (
        "line 1 of 1c20800.pinctrl cannot be used twice: give each lamp and each button its own line"
    )
    assert board.line("PA7").level == 1


def test_a_button_where_nothing_interrupts(pins, board):
    board.chips[2].lines[0].interrupts = False
    text = refusal(pins, 0, "gpiochip2", button=True)
    assert "does not tell of changes ('bad event request'); take a line of the board itself" in text
    assert not board.chips[2].lines[0].used


def test_a_button_on_a_line_that_lgpio_cannot_tell_from_another(pins, board):
    board.chip(4, "wide", *(f"W{number}" for number in range(288)))
    pins.led(GpioLine("W262"))
    assert "watches no line above 255, it is 263" in refusal(pins, "W263", button=True)


def test_no_permission_for_any_chip(pins, board, monkeypatch):
    for chip in board.chips.values():
        chip.openable = False
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "no permission to use" in refusal(pins, "PA7")


def test_no_permission_for_the_chip_that_may_have_it(pins, board):
    board.chips[1].openable = False
    text = refusal(pins, "PL2")
    assert "(gpiochip1 cannot be opened: is the user in the group gpio?)" in text
    pins.led(GpioLine("PA7"))


def test_a_kernel_without_chips(board):
    with pytest.raises(NeedsPerson, match="which is not there"):
        Pins("lgpio", dev=board.dev).led(GpioLine("PA7"))


def test_a_second_name_of_a_chip_is_no_second_line(pins, board):
    """As Raspberry Pi OS gives a Raspberry Pi 5, whose chip was renumbered."""
    (board.dev / "gpiochip4").symlink_to("gpiochip0")
    pins.led(GpioLine("PA7"))


def test_only_lgpio_has_lines(board):
    with pytest.raises(NeedsPerson, match="lines need lgpio, not GPIOZERO_PIN_FACTORY=mock"):
        Pins("mock", dev=board.dev).led(GpioLine("PA7"))
