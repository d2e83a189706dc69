"""What has gone wrong for others with gpiozero and lgpio, a test each: the true gpiozero over `tests/fakes/lgpio`.

An empty lgpio, the FIFO that it leaves, a board that is unknown: test_pins.py. Lit after a death: test_lamps_safe.py.
"""

import re
import threading
import tomllib
from pathlib import Path

import gpiozero
import pytest

from service.core.errors import NeedsPerson
from service.core.gpio_lines import GpioLine
from service.gpio.pins import Pins

ROOT = Path(__file__).parents[2]
PI_4, PI_5 = 0xC03111, 0xC04170


@pytest.fixture
def pi(board, monkeypatch):
    """Builds the pins of a Raspberry Pi of this revision, whose header is on these chips."""

    def build(revision=PI_4, *, header=(0,)):
        for number in header:
            board.chip(number, "pinctrl-bcm", *(f"GPIO{line}" for line in range(28)))
        monkeypatch.setattr("gpiozero.pins.local.LocalPiFactory._get_revision", lambda _: revision)
        monkeypatch.setattr("os.path.exists", lambda path: (board.dev / Path(path).name).exists())
        built.append(Pins("lgpio", dev=board.dev))
        return built[-1]

    built: list[Pins] = []
    yield build
    for pins in built:
        pins.close()


def requirement(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["pi"]]
    return next(line for line in wanted if re.match(rf"{name}\W", line))


def directive(name):
    return re.search(rf"^{name}=(.*)$", (ROOT / "systemd" / "boothd.service").read_text(), re.MULTILINE)[1]


def sources(*names):
    """Of the box; its sandbox is another process."""
    for path in (ROOT / "service").rglob("*.py"):
        if "sandbox" not in path.parts:
            yield from (f"{path.name}: {name}" for name in names if re.search(rf"\b{name}\b", path.read_text()))


def test_edges_come_in_a_thread_of_the_library_in_their_order(pi, board):
    button, seen = pi().button(17), []
    button.when_pressed = lambda: seen.append(("down", threading.current_thread() is threading.main_thread()))
    button.when_released = lambda: seen.append(("up", threading.current_thread() is threading.main_thread()))
    for level in (0, 1):
        board.drive("GPIO17", level)
        board.wait(0.02)
    assert seen == [("down", False), ("up", False)]


def test_no_hold_event_of_gpiozero_is_used():
    assert not list(sources("when_held", "hold_repeat", "held_time"))


def test_a_bouncing_contact_is_one_press_by_lgpio_too_and_no_edge_is_lost(pi, board):
    """bounce_time differs between backends, and the mock has none: core/gestures debounces by itself besides."""
    button, seen = pi().button(17), []
    button.when_pressed, button.when_released = lambda: seen.append(0), lambda: seen.append(1)
    for _ in range(50):
        for level in (0, 1):
            for step in range(5):  # ends where it began to go
                board.drive("GPIO17", level if step % 2 == 0 else 1 - level)
                board.wait(0.002)
            board.wait(0.02)
    assert seen == [0, 1] * 50


def test_a_button_that_is_down_at_the_start_is_seen(pi, board):
    """The mock lets go of every pin that is opened, so no test with it can show this."""
    pins = pi()
    board.line("GPIO17").level = 0
    assert pins.button(17).is_pressed


def test_a_lamp_that_a_low_level_lights(pi, board):
    led = pi().led(6, active_high=False)
    assert (led.is_lit, board.line("GPIO6").level) == (False, 1)
    led.on()
    assert (led.is_lit, board.line("GPIO6").level) == (True, 0)


@pytest.mark.parametrize(("chips", "opened"), [((0, 4), 4), ((0,), 0)])
def test_the_pins_of_a_raspberry_pi_5_were_renumbered_by_newer_kernels(pi, board, chips, opened):
    pins = pi(PI_5, header=chips)
    pins.led(6).on()
    assert (board.chips[opened].lines[6].level, board.chips[opened].lines[6].owner) == (1, opened << 16)
    assert requirement("gpiozero") == "gpiozero>=2.0.1.post3"  # the first that knows both


def test_no_other_backend_is_tried_in_silence(pi, board):
    """gpiozero by itself would warn and go on to others, down to a slow one of its own."""
    pins = pi()
    board.chips[0].openable = False
    with pytest.raises(NeedsPerson, match=r"\('can not open gpiochip'\)"):
        pins.button(17)
    assert gpiozero.Device.pin_factory is None
    board.chips[0].openable = True
    pins.button(17)  # it heals


def test_a_pin_that_another_program_holds(pi, board):
    pins = pi()
    board.line("GPIO17").user = "other"
    with pytest.raises(NeedsPerson, match="GPIO 17 cannot be used: 'GPIO busy'; stop the program that holds it"):
        pins.button(17)
    board.line("GPIO17").user = ""
    pins.button(17)


def test_a_pin_of_the_header_is_not_used_again_by_its_line(pi, board):
    """Settings cannot know that they are one; the kernel does."""
    pins = pi()
    pins.led(17)
    with pytest.raises(NeedsPerson, match="line GPIO17 cannot be used: lg has it"):
        pins.button(GpioLine("GPIO17"))


def test_the_process_never_forks_while_it_holds_lines():
    """After a fork lgpio reports them as busy; a program that is executed anew does not have them."""
    assert list(sources("create_subprocess_exec"))
    assert not list(sources("multiprocessing", "os.fork", "forkpty", "ProcessPoolExecutor"))


def test_an_index_that_has_no_wheel_gives_no_empty_lgpio():
    assert requirement("lgpio").startswith("lgpio==0.2.2.0;")


def test_the_unit_leaves_to_gpiozero_and_lgpio_what_they_need():
    assert directive("ProcSubset") == "all"  # of /proc: the revision of the board
    assert directive("WorkingDirectory").startswith("/run/")  # writable, and not the card
    assert {"gpio"} <= set(directive("SupplementaryGroups").split())
    assert re.search("^g gpio ", (ROOT / "systemd" / "boothd.sysusers").read_text(), re.MULTILINE)
    assert "DeviceAllow=char-gpiochip rw" in (ROOT / "systemd" / "boothd.service").read_text()
