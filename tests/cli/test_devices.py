"""`boothd devices` as a user starts it, on what an ALSA configuration of our own says there is."""

import json

import pytest
from aiohttp import web

from service.cli.devices import told
from service.web.answers import current
from service.web.server import application, serve
from tests.fakes.verbs import Verb

SETTINGS = '[audio]\ninput.device = "alsa:pcm=booth"\noutput.device = "alsa:card=Nowhere"\n'


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)  # it tells of every slow step of a busy machine
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asoundrc"))
    (tmp_path / "asoundrc").write_text(
        "</usr/share/alsa/alsa.conf>\npcm.booth { type null }\npcm.plays { type asym playback.pcm null }\n"
        f'pcm.held {{ type file slave.pcm null file "{tmp_path}/touched" format raw }}\n'
    )
    path = tmp_path / "boothd.toml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def devices(config, capsys):
    return Verb("devices", config, capsys)


def block(text, name):
    """What is said of one device."""
    return next(part for part in text.split("\n\n") if part.startswith(f'"{name}"')).splitlines()


def test_without_a_daemon_the_settings_file_says_what_is_used(devices, config):
    told = devices()
    assert (told.code, told.err) == (0, [])
    text = "\n".join(told.out)
    assert told.out[:3] == [
        f"The settings are those of {config} (no daemon runs).",
        "  line-in   alsa:pcm=booth",
        "  line-out  alsa:card=Nowhere: not there",
    ]
    assert block(text, "booth") == [
        '"booth" of the ALSA configuration [line-in]',
        "  write     alsa:pcm=booth",
        "  line-in   1 to 4294967295 Hz; channels: 1, 2, 4, 6, 8",
        "  line-out  1 to 4294967295 Hz; channels: 1, 2, 4, 6, 8",
    ]
    assert block(text, "plays")[2:] == [
        "  line-in   Invalid argument",
        "  line-out  1 to 4294967295 Hz; channels: 1, 2, 4, 6, 8",
    ]


def test_settings_that_are_yet_to_be_written_hide_nothing(devices, config):
    config.unlink()
    picture = json.loads("".join(devices("--json").out))
    assert picture["uses"] == [] and "boothd check" in picture["settings_of"]
    (booth,) = (device for device in picture["devices"] if device["devices"] == ["alsa:pcm=booth"])
    assert booth["uses"] == [] and booth["input"]["fits"] and booth["output"]["problem"] is None


async def test_what_the_daemon_has_open_is_not_touched(devices, tmp_path):
    line_in = {"use": "line-in", "device": "alsa:pcm=held", "open": True, "lost": None, "channels": 2}
    booth = {"name": "a booth", "devices": ["alsa:pcm=held"], "captures": None, "plays": False, "uses": [line_in]}
    routes = [{"number": 2, "target": "es", "channel": "left"}]
    lost = {**line_in, "use": "line-out", "device": "alsa:pcm=plays", "open": False, "lost": "unplugged"}
    picture = {"uses": [line_in, lost | {"routes": routes}], "devices": [booth]}
    routes = [web.get("/v1/status", current(dict)), web.get("/v1/devices", current(lambda: picture))]
    async with serve(application(routes), tmp_path / "control.sock"):
        told = await devices.beside()
    assert told.out == [
        f"The settings are those of the daemon on {tmp_path}/control.sock.",
        "  line-in   alsa:pcm=held",
        "  line-out  alsa:pcm=plays: unplugged",
        "            route 2: es, left",
        "",
        "a booth [line-in]",
        "  write     alsa:pcm=held",
        "  line-in   in use by the daemon: 48000 Hz; channels: 2",
    ]
    assert not (tmp_path / "touched").exists()


def test_a_card_says_what_it_can_and_what_is_in_its_way():
    able = {"rates_hz": [44_100], "every_rate_between": False, "channels": [2], "problem": None, "fits": False}
    card = {
        "name": "USB Audio",
        "devices": ["alsa:card=Device", "alsa:usb=1-1.2"],
        "uses": [],
        "mixer": {"input": {"Capture": "80%", "Mic": "off"}, "output": {}},
        "input": able,
        "output": {**able, "problem": "Device or resource busy [hw:CARD=Device]"},
    }
    assert list(told("a test", {"uses": [], "devices": [card]}))[2:] == [
        "USB Audio",
        "  write     alsa:card=Device or alsa:usb=1-1.2",
        "  line-in   44100 Hz; channels: 2; by way of conversions of ALSA",
        '            mixer = { "Capture" = "80%", "Mic" = "off" }',
        "  line-out  busy: another program has it open",
    ]
    assert list(told("a test", {"uses": [], "devices": []}))[1:] == ["\nALSA knows no sound device on this machine."]
