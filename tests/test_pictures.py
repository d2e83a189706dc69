"""Levels and devices of lines that are open, lost or neither, on files."""

import threading
import wave

import numpy as np
import pytest

from service import pictures, settings
from service.core.audio import RATE_HZ
from service.lines import open_line_in, open_line_out
from tests.test_lines import until


@pytest.fixture
def loaded(tmp_path):
    with wave.open(str(tmp_path / "in.wav"), "wb") as file:
        file.setparams((2, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(np.tile(np.array([3277, 16384], "<i2"), RATE_HZ).tobytes())
    devices = {
        "BOOTHD_AUDIO__INPUT__DEVICE": f"wav:{tmp_path}/in.wav",
        "BOOTHD_AUDIO__INPUT__CHANNEL": "right",
        "BOOTHD_AUDIO__OUTPUT__DEVICE": f"wav:{tmp_path}/out.wav",
    }
    return settings.load(None, environ=devices)


async def test_every_channel_of_what_is_open_has_a_level(loaded, tmp_path):
    async with (
        open_line_in(loaded, go=(go := threading.Event()), ended=threading.Event()) as line_in,
        open_line_out(loaded) as line_out,
    ):
        go.set()
        await until(
            lambda: line_in.level.peak_dbfs > -120 and line_out.cards[f"wav:{tmp_path}/out.wav"].playback.levels
        )
        heard, played = (
            pictures.levels(loaded, line_in=line_in, line_out=line_out)[key] for key in ("inputs", "outputs")
        )
        assert [(one["device"], one["open"], one["lost"]) for one in (*heard, *played)] == [
            (f"wav:{tmp_path}/in.wav", True, None),
            (f"wav:{tmp_path}/out.wav", True, None),
        ]
        assert {name: level["peak_dbfs"] for name, level in heard[0]["levels"].items()} == {
            "left": -20.0,
            "right": -6.0,
        }
        assert heard[0]["heard"] == "right" and heard[0]["levels"]["right"]["word"] == "good"
        uses = pictures.devices(loaded, line_in=line_in, line_out=line_out)["uses"]
        assert [(use["use"], use["open"], use["channels"]) for use in uses] == [
            ("line-in", True, 2),
            ("line-out", True, 1),
        ]


async def test_what_is_lost_says_why_and_what_nobody_opens_does_not(loaded, tmp_path):
    (tmp_path / "in.wav").unlink()
    async with open_line_in(loaded, go=threading.Event(), ended=threading.Event()) as line_in:
        await until(lambda: line_in.fault)
        shown = pictures.levels(loaded, line_in=line_in)
        assert not shown["inputs"][0]["open"] and "in.wav" in shown["inputs"][0]["lost"]
        assert shown["outputs"] == [{"device": f"wav:{tmp_path}/out.wav", "open": False, "lost": None, "levels": {}}]


def test_a_device_of_line_out_knows_the_routes_that_lead_there():
    routes = [
        {"target": "es", "device": "alsa:card=Hall", "channel": "left"},
        {"target": "fr", "device": "alsa:card=Lobby"},
        {"target": "de", "device": "alsa:card=Hall", "channel": "right"},
    ]
    keys = settings.Settings.model_validate({"audio": {"output": {"route": routes}}})
    hall, lobby = pictures.devices(keys)["uses"]
    assert (hall["device"], lobby["device"]) == ("alsa:card=Hall", "alsa:card=Lobby")
    assert hall["routes"] == [
        {"number": 1, "target": "es", "channel": "left"},
        {"number": 3, "target": "de", "channel": "right"},
    ]


def test_devices_are_there_without_settings(loaded):
    assert pictures.devices(None)["uses"] == []
    assert [use["use"] for use in pictures.devices(loaded)["uses"]] == ["line-in", "line-out"]
