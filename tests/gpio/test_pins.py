import os
import subprocess
import sys
import types

import gpiozero
import pytest

from service.core.errors import FaultCode, NeedsPerson
from service.gpio.pins import Pins


class LgpioError(Exception):
    """As lgpio.error: a bare Exception."""


def fake_lgpio(*, chip=None, claim=None) -> types.ModuleType:
    """lgpio as gpiozero uses it; `chip` and `claim` are what goes wrong."""

    def failing(problem):
        def call(*_):
            if problem is not None:
                raise LgpioError(problem)
            return 0

        return call

    module = types.ModuleType("lgpio")
    for name in ("BOTH_EDGES", "RISING_EDGE", "FALLING_EDGE", "SET_PULL_NONE", "SET_PULL_UP", "SET_PULL_DOWN"):
        setattr(module, name, len(vars(module)))
    module.error = LgpioError
    module.gpiochip_open, module.gpiochip_close = failing(chip), failing(None)
    module.gpio_claim_input = failing(claim)
    return module


@pytest.fixture
def box(monkeypatch, tmp_path):
    """A Raspberry Pi 4 with an lgpio that can be told to fail; the factory is imported anew with it."""

    def build(lgpio, *, chips=("gpiochip0",), board=lambda _: 0xC03111):
        for chip in chips:
            (tmp_path / chip).touch()
        monkeypatch.setitem(sys.modules, "lgpio", lgpio)
        monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
        monkeypatch.setattr("gpiozero.pins.local.LocalPiFactory._get_revision", board)
        return Pins("lgpio", dev=tmp_path)

    yield build
    sys.modules.pop("gpiozero.pins.lgpio", None)


def refusal(pins: Pins) -> str:
    with pytest.raises(NeedsPerson) as caught:
        pins.led(17)
    assert caught.value.code is FaultCode.BOX
    pins.close()
    return str(caught.value)


def test_a_box_without_pins_needs_nothing_of_all_this():
    """Not even installed, and without a word about it."""
    code = """
import asyncio, sys
from service.gpio.buttons import Buttons
from service.gpio.lamps import Lamps
from service.gpio.pins import Pins, kind_of
async def box():
    pins = Pins(kind_of({}))
    lamps, buttons = Lamps(pins=pins, lamps={}), Buttons(pins=pins, ask=print)
    lamps.show({}), buttons.close(), lamps.close(), pins.close()
asyncio.run(box())
found = {"gpiozero", "lgpio"} & set(sys.modules)
sys.exit(f"{found} imported" if found else 0)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_lgpio_it_says_what_to_install(box):
    assert "install python3-lgpio" in refusal(box(None))


def test_the_empty_lgpio_of_the_index_is_no_lgpio(box):
    assert "install python3-lgpio" in refusal(box(types.ModuleType("lgpio")))


def test_a_board_that_is_no_pi(box):
    def unknown(_):
        raise gpiozero.exc.PinUnknownPi("no revision")

    assert "pins need a Raspberry Pi" in refusal(box(fake_lgpio(), board=unknown))


def test_a_kernel_without_pins(box):
    text = refusal(box(fake_lgpio(chip="can not open gpiochip"), chips=()))
    assert "gpiochip0, which is not there" in text and text.endswith("(can not open gpiochip)")


def test_no_permission(box, monkeypatch):
    pins = box(fake_lgpio(chip="can not open gpiochip"), chips=("gpiochip0", "gpiochip4"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    text = refusal(pins)
    assert "no permission to use" in text and "gpiochip0" in text and "group gpio" in text


def test_a_chip_that_fails_for_another_reason(box):
    assert "cannot be opened" in refusal(box(fake_lgpio(chip="can not open gpiochip")))


def test_a_line_that_somebody_holds_is_tried_again(box):
    pins = box(fake_lgpio(claim="GPIO busy"))
    kept = []  # as by whoever shows the error
    for _ in range(2):
        with pytest.raises(NeedsPerson) as caught:
            pins.led(17)
        kept.append(caught.value)
    assert {str(error).split(";")[0] for error in kept} == {"GPIO 17 cannot be used: GPIO busy"}
    pins.close()


def test_importing_lgpio_leaves_nothing_behind_and_moves_nobody(box, monkeypatch, tmp_path):
    """The real one writes a FIFO where it is imported, and changes the directory if LG_WD is set."""
    home, imported_in = tmp_path / "home", []
    home.mkdir()
    (home / "lgpio.py").write_text("import os\nopen('.lgd-nfy0', 'w').close()\nwhere = os.getcwd()\nos.chdir('/')\n")
    pins = box(None)
    monkeypatch.delitem(sys.modules, "lgpio")
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.chdir(home)
    refusal(pins)
    imported_in.append(sys.modules["lgpio"].where)
    assert os.getcwd() == str(home)
    assert not (home / ".lgd-nfy0").exists()
    assert imported_in[0] != str(home) and not os.path.exists(imported_in[0])


def test_no_writable_directory(box, monkeypatch, tmp_path):
    pins = box(fake_lgpio())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert "set TMPDIR" in refusal(pins)


def test_mock_pins_are_driven_by_number():
    pins = Pins("mock")
    button, led = pins.button(17), pins.led(27, active_high=False)
    assert not button.is_pressed
    pins.pin(17).drive_low()
    assert button.is_pressed
    assert pins.pin(27).state and not led.is_lit
    led.on()
    assert not pins.pin(27).state and led.is_lit
    pins.close()


def test_one_pin_serves_one_device_and_is_free_again_after_close():
    pins = Pins("mock")
    led = pins.led(17)
    with pytest.raises(NeedsPerson, match="GPIO 17 cannot be used"):
        pins.button(17)
    pins.close()
    pins.close()
    assert led.closed
    pins.button(17)
    pins.close()


def test_two_sets_of_pins_do_not_share_and_nothing_becomes_the_default():
    one, other = Pins("mock"), Pins("mock")
    one.led(17), other.led(17)
    assert gpiozero.Device.pin_factory is None
    one.close(), other.close()
