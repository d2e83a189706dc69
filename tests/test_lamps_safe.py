"""The lamps after the daemon's end, on pins that outlive it."""

import json
import os
import signal
import subprocess
import sys

import pytest

from service.core.gpio_lines import GpioLine
from service.gpio.pins import Pins
from service.lamps_safe import settle
from service.memory import Memory
from service.system.store import Store
from tests.fakes.file_pins import FilePins
from tests.fakes.processes import Box, credentials, recording, sandbox, settings_for, until

LINK, LIVE, ALERT, L1, L2, LANG, BUTTON = 5, 6, 13, 19, 26, 17, 27
PINS = f"""
[lamps]
link = {{ pin = {LINK} }}
live = {{ pin = {LIVE} }}
alert = {{ pin = {ALERT}, active_high = false }}
languages = [{{ pin = {L1} }}, {{ pin = {L2} }}]
[buttons]
live = {{ pin = {BUTTON} }}
lang = {{ pin = {LANG} }}
"""
DARK, CALLING = (0, 0, 1, 0, 0), (0, 0, 0, 0, 0)


@pytest.fixture
def pins(tmp_path):
    return FilePins(tmp_path / "pins")


def afterwards(folder, pins, result: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("BOOTHD_")}
    environ = {**kept, **pins.environ, "RUNTIME_DIRECTORY": str(folder), "SERVICE_RESULT": result}
    command = [sys.executable, "-m", "service.lamps_safe"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(("result", "levels"), [("success", DARK), ("signal", CALLING), ("watchdog", CALLING)])
def test_after_a_stop_it_is_dark_and_after_a_death_it_calls(tmp_path, pins, result, levels):
    lamps = {"link": LINK, "live": LIVE, "alert": ALERT, "l1": L1, "l2": L2}
    kept = {name: {"pin": pin, "active_high": name != "alert"} for name, pin in lamps.items()}
    (tmp_path / "lamps.json").write_text(json.dumps(kept))
    done = afterwards(tmp_path, pins, result)
    assert (done.returncode, done.stderr) == (0, "")
    assert pins.levels(*lamps.values()) == levels


@pytest.mark.parametrize("kept", [None, "{", "[]", "{}"])
def test_without_lamps_there_is_nothing_to_do(tmp_path, pins, kept):
    if kept is not None:
        (tmp_path / "lamps.json").write_text(kept)
    assert afterwards(tmp_path, pins, "signal").returncode == 0
    assert not list(pins.folder.iterdir())


def test_pins_that_cannot_be_used_are_named(tmp_path, pins):
    (tmp_path / "lamps.json").write_text('{"live": {"pin": 6, "active_high": true}}')
    pins.folder.rmdir()
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environ = {**kept, "RUNTIME_DIRECTORY": str(tmp_path), "GPIOZERO_PIN_FACTORY": "none-such"}
    command = [sys.executable, "-m", "service.lamps_safe"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "GPIOZERO_PIN_FACTORY=none-such names no pin factory" in done.stderr


def test_a_lamp_that_cannot_be_set_keeps_no_other_from_it(tmp_path, pins):
    lamps = {"link": 5, "l1": {"pin": 99}, "l2": {"line": "PA7", "chip": None}}
    lamps |= {"live": {"pin": LIVE}, "alert": {"pin": ALERT, "active_high": True}}
    (tmp_path / "lamps.json").write_text(json.dumps(lamps))
    done = afterwards(tmp_path, pins, "signal")
    assert done.returncode == 1 and [line.split(": ")[1] for line in done.stderr.splitlines()] == ["link", "l1", "l2"]
    assert pins.levels(LIVE, ALERT) == (0, 1)


def test_lamps_on_lines_of_another_board(tmp_path, board):
    board.chip(0, "soc", "PA6", "PA7", "PA8")
    for line in board.chips[0].lines:
        line.level = 0  # LIVE is lit by a low level
    memory = Memory(runtime=Store(tmp_path))
    memory.keep_lamps(
        {"live": (GpioLine("PA6"), False), "alert": (GpioLine(1, "soc"), True), "l1": (GpioLine("PA8"), True)}
    )
    environ = {"RUNTIME_DIRECTORY": str(tmp_path), "SERVICE_RESULT": "signal"}
    assert settle(environ, Pins("lgpio", dev=board.dev)) == []
    assert [line.level for line in board.chips[0].lines] == [1, 1, 0]


def test_a_one_lamp_box_goes_dark(tmp_path, pins):
    (tmp_path / "lamps.json").write_text(json.dumps({"live": {"pin": LIVE, "active_high": False}}))
    assert afterwards(tmp_path, pins, "signal").returncode == 0
    assert pins.level(LIVE) == 1


def test_it_loads_nothing_that_takes_time():
    """On a slow board the lamps have 2 s; gpiozero comes with the first pin of a Raspberry Pi."""
    heavy = {"aiohttp", "aiortc", "numpy", "pydantic", "asyncio", "gpiozero", "lgpio", "service.settings"}
    code = f"import sys, service.lamps_safe; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.slow
def test_from_a_finger_to_the_lamps_over_a_sudden_death(tmp_path, pins):
    """The daemon on these pins: pressed and seen from outside; after kill -9 the lamps stop saying that it is live."""
    recording(tmp_path / "in.wav")
    with sandbox(tmp_path) as cloud:
        settings = settings_for(tmp_path, cloud.url, line_in=str(tmp_path / "in.wav"), extra=PINS)
        one = Box(tmp_path, settings, environ={**credentials(cloud), **pins.environ})
        one.until("ready")
        pins.press(LANG)
        pins.press(BUTTON)
        assert one.until("live")["wanted"] == "EN to FR"
        until(lambda: pins.levels(LINK, LIVE, ALERT, L1, L2) == (1, 1, 1, 0, 1), "LINK, LIVE and L2 alone")
        one.stop(signal.SIGKILL)
        assert pins.levels(LINK, LIVE, ALERT, L1, L2) == (1, 1, 1, 0, 1)  # which is a lie now
        assert afterwards(tmp_path, pins, "signal").returncode == 0
        assert pins.levels(LINK, LIVE, ALERT, L1, L2) == CALLING
        again = Box(tmp_path, settings, environ={**credentials(cloud), **pins.environ})
        again.until("ready")
        until(lambda: pins.levels(LINK, LIVE, ALERT) == (1, 0, 1), "LINK alone")
        assert again.stop()[0] == 0
        assert pins.levels(LINK, LIVE, ALERT, L1, L2) == DARK
