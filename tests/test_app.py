"""The box as it is wired, on a desk: files for cards, mock pins, and nobody who answers in the cloud."""

import asyncio
import json
import random
import socket
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from service import settings
from service.app import open_box
from service.board import Board
from service.box import run_box
from service.core.clock import ClockSigns
from service.core.commands import ToggleLive
from service.core.errors import PinsUnusable
from service.core.phase import Phase
from service.core.temper import Reading, Trouble
from service.dsp.feedback import NOTICE as FEEDBACK
from service.dsp.limiter import NOTICE as TOO_LOUD
from service.dsp.sides import NOTICE as SIDES_CANCEL
from service.gpio.pins import Pins
from service.web.client import fetch
from tests.fakes.processes import recording

PIN = {"lang": 17, "live": 27, "mute": 22}


def refused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def environ(tmp_path):
    recording(tmp_path / "in.wav")
    pairs = [{"name": target, "source": "en", "target": target} for target in ("es", "fr")]
    pins = {f"BOOTHD_BUTTONS__{name.upper()}": json.dumps({"pin": pin}) for name, pin in PIN.items()}
    return {
        "BOOTHD_PALABRA__BASE_URL": f"http://127.0.0.1:{refused_port()}",
        "BOOTHD_PAIR": json.dumps(pairs),
        "BOOTHD_AUDIO__INPUT__DEVICE": f"wav:{tmp_path / 'in.wav'}",
        "BOOTHD_AUDIO__OUTPUT__DEVICE": f"wav:{tmp_path / 'out.wav'}",
        "BOOTHD_HTTP__SOCKET": str(tmp_path / "control.sock"),
        "BOOTHD_LAMPS__LINK": '{"pin": 5}',
        "BOOTHD_LAMPS__LIVE": '{"pin": 6, "active_high": false}',
        "BOOTHD_LAMPS__LANGUAGES": '[{"pin": 19}, {"pin": 26}]',
        "PALABRA_API_KEY": "planted-key",
        **pins,
    }


@asynccontextmanager
async def running(environ):
    board, pins = Board(), Pins("mock")
    async with open_box(settings.load(None, environ=environ), board=board, pins=pins, on_caption=print) as box:
        running = asyncio.create_task(run_box(box))
        try:
            async with asyncio.timeout(20):
                await board.until(lambda status: status.phase is Phase.READY and not status.lamp_test)
                yield box, pins
        finally:
            box.conductor.stopping()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def press(pins: Pins, button: str) -> None:
    pins.pin(PIN[button]).drive_low()
    await asyncio.sleep(0.04)
    pins.pin(PIN[button]).drive_high()
    await asyncio.sleep(0.04)


async def test_from_the_edge_of_a_pin_to_the_lamps_and_the_socket(environ):
    async with running(environ) as (box, pins):
        assert box.lamps.lit["link"] and not box.lamps.lit["live"] and not box.lamps.lit["l2"]
        await press(pins, "lang")
        assert box.board.status.wanted.name == "fr" and box.picture()["lamps"]["l2"] == "fast"
        await press(pins, "mute")
        assert box.board.status.muted
        await press(pins, "live")
        await box.board.until(lambda status: status.phase is Phase.WAITING)
        picture = await fetch(box.socket, "/v1/status")
        assert picture["wanted"] == "fr" and picture["muted"]
        assert picture["fault"]["code"] == 1 and "127.0.0.1" in picture["fault"]["detail"]
        assert picture["lamps"]["link"] == "fast" and picture["frames"]["captured"] > 0
        assert picture.keys() == box.picture().keys()
        assert "planted-key" not in json.dumps(picture)


async def test_the_meters_show_and_what_is_odd_about_the_sound_is_told(environ, monkeypatch):
    monkeypatch.setattr("service.box.FEEDBACK_LOOK_S", 0.05)
    async with running(
        environ
        | {
            "BOOTHD_AUDIO__INPUT__SILENCE_ALARM_AFTER": "1s",
            "BOOTHD_AUDIO__INPUT__CHANNEL": "sum",
        }
    ) as (box, _):
        await box.board.until(lambda status: status.input_silent)
        levels = (await fetch(box.socket, "/v1/status"))["levels"]
        assert levels["input"] == {
            **{"peak_dbfs": -120.0, "rms_dbfs": -120.0, "peak_hold_dbfs": -120.0},
            **{"clip": False, "silent": True},
        }
        assert levels["output"].keys() == levels["input"].keys()
        chance, now_s = random.Random(0), time.monotonic()
        for step in range(1100):  # the last 22 s, in which both sides went up and down together
            power = 10 ** chance.uniform(-5, -1)
            for envelope in (box.feedback[0]._in, box.feedback[0]._out):
                envelope.add(now_s - 22 + step * 0.02, power)
        await box.board.until(lambda status: status.sound_notices == (FEEDBACK,))
        (card,) = box.line_out.cards.values()
        card.playback._mixer.limiters[0]._minute = SimpleNamespace(warning=True, hear=lambda block: None)
        await box.board.until(lambda status: status.sound_notices == (FEEDBACK, TOO_LOUD))
        box.capture._sides.cancel = True
        await box.board.until(lambda status: SIDES_CANCEL in status.sound_notices)


async def test_over_tls_the_box_waits_for_its_clock_and_says_so_and_what_ails_the_board(environ, monkeypatch):
    monkeypatch.setattr("service.app.Clock.signs", lambda clock: ClockSigns(False, True, 1.0, 2.0))
    monkeypatch.setattr("service.system.board_health.read", lambda: Reading(bits=0x50005))
    url = environ["BOOTHD_PALABRA__BASE_URL"].replace("http:", "https:")
    async with running(environ | {"BOOTHD_PALABRA__BASE_URL": url}) as (box, pins):
        await press(pins, "live")
        await box.board.until(lambda status: status.waiting_for_clock)
        await box.board.until(lambda status: status.box_notices == (Trouble.POWER.value,))
        picture = await fetch(box.socket, "/v1/status")
        assert picture["waiting_for_clock"] and picture["phase"] == "creating" and picture["fault"] is None
        assert Trouble.POWER.value in picture["notices"]
        await press(pins, "lang")
        assert box.board.status.wanted.name == "fr"


async def test_the_sound_threads_give_signs_of_life_and_a_lost_card_shows(environ, tmp_path):
    (tmp_path / "in.wav").unlink()
    board = Board()
    async with open_box(settings.load(None, environ=environ), board=board, pins=Pins("mock"), on_caption=print) as box:
        watching = asyncio.create_task(run_box(box))
        async with asyncio.timeout(20):
            await board.until(lambda status: status.phase is Phase.FAULT)
        assert board.status.fault.code == 3 and "in.wav" in board.status.fault.detail
        now_s = max(box.capture.last_period_s, box.line_out.last_period_s)
        assert box.vigil.trouble(now_s + 1.0) == "" and "nobody has looked" in box.vigil.trouble(now_s + 2.5)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_a_card_of_several_that_is_lost_is_named_and_the_others_are_heard(environ, tmp_path, caplog):
    (tmp_path / "lobby.wav").mkdir()
    pair = {"name": "all", "source": "en", "targets": ["es", "fr", "de"]}
    routes = [{"target": "es", "channel": "left"}, {"target": "fr", "device": f"wav:{tmp_path / 'lobby.wav'}"}]
    environ |= {"BOOTHD_PAIR": json.dumps([pair]), "BOOTHD_AUDIO__OUTPUT__ROUTE": json.dumps(routes)}
    board = Board()
    async with open_box(settings.load(None, environ=environ), board=board, pins=Pins("mock"), on_caption=print) as box:
        watching = asyncio.create_task(run_box(box))
        async with asyncio.timeout(20):
            await board.until(lambda status: status.phase is Phase.FAULT)
        devices = (await fetch(box.socket, "/v1/status"))["devices"]
        assert "lobby.wav cannot be written" in devices["output"]["lost"]
        main, lobby = devices["outputs"]
        assert main["lost"] is None and list(main["levels"]) == ["left", "right"]
        assert lobby["lost"] == devices["output"]["lost"] and lobby["levels"] == {}
        box.conductor.ask(ToggleLive())
        async with asyncio.timeout(20):
            await board.until(lambda status: status.network is False)  # a session was asked for all the same
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert [record.getMessage() for record in caplog.records if "is not heard" in record.getMessage()] == [
        'audio.output: de of the pair "all" is not heard: no route takes it anywhere; '
        'add [[audio.output.route]] with target = "de"'
    ]


async def test_pins_that_cannot_be_used_leave_nothing_open(environ, tmp_path):
    pins = Pins("mock")
    pins.led(PIN["mute"])
    with pytest.raises(PinsUnusable, match="GPIO 22"):
        async with open_box(settings.load(None, environ=environ), board=Board(), pins=pins, on_caption=print):
            pass
    assert not (tmp_path / "control.sock").exists()
    async with running(environ):
        pass  # the same pins, socket and files, again
