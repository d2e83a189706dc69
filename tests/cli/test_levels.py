"""`boothd levels` as a user starts it, on a recording as line-in; with a daemon, one that shows what we like."""

import asyncio
import json
import signal
import subprocess
import sys
import wave

import numpy as np
import pytest
from aiohttp import web

from service.core.audio import RATE_HZ, Level
from service.core.loudness import as_json
from service.web.answers import Unavailable, current, stream
from service.web.server import application, serve
from tests.fakes.verbs import Told, Verb


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Settings whose line-in is a second of a sine at -6 dBFS."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)  # it tells of every slow step of a busy machine
    sine = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ)
    with wave.open(str(tmp_path / "in.wav"), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((16384 * sine).astype("<i2").tobytes())
    path = tmp_path / "boothd.toml"
    path.write_text(f'[audio]\ninput.device = "wav:{tmp_path}/in.wav"\noutput.device = "alsa:card=Device"\n')
    return path


@pytest.fixture
def levels(config, capsys):
    return Verb("levels", config, capsys)


def test_without_a_daemon_line_in_is_metered_here(levels):
    told = levels("--seconds", "0.1")
    assert (told.code, told.err) == (0, [])
    assert told.out[0] == "Levels of line-in, opened here: no daemon runs."
    assert told.out[1].startswith("line-in left") and told.out[1].endswith("good; line-out: not open")


def test_json_is_a_picture_a_line(levels):
    told = levels("--seconds", "0.15", "--json")
    assert told.code == 0 and len(told.out) >= 2
    (line_in,), (line_out,) = (json.loads(told.out[0])[key] for key in ("inputs", "outputs"))
    assert line_in["levels"]["left"]["peak_dbfs"] == pytest.approx(-6.0, abs=0.1)
    assert line_out == {"device": "alsa:card=Device", "open": False, "lost": None, "levels": {}}


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ('[audio]\ninput.device = "wav:/nowhere.wav"', 6, "audio.input.device: /nowhere.wav cannot be read as sound"),
        ('[audio]\ninput.device = "alsa:card=Nowhere"', 6, "audio.input.device: alsa:card=Nowhere: "),
        ('[audio]\noutput.device = "wav:x"', 78, "audio.input.device: no sound card"),
        ("[audio", 78, "{config}:1:"),
    ],
)
def test_what_cannot_be_metered_is_one_line(levels, config, text, code, error):
    config.write_text(text + "\n")
    told = levels()
    assert (told.code, told.out, len(told.err)) == (code, [], 1)
    assert told.err[0].startswith(f"boothd levels: {error.format(config=config)}")


def test_a_daemon_that_is_asked_for_has_to_be_there(levels, tmp_path):
    told = levels("--socket", str(tmp_path / "nobody.sock"))
    assert (told.code, told.out, len(told.err)) == (3, [], 1) and "nobody.sock" in told.err[0]


def start(config, *options):
    command = [sys.executable, "-m", "service", "levels", "--config", str(config), *options]
    return asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def showing(picture) -> web.Application:
    routes = [web.get("/v1/status", current(dict)), web.get("/v1/levels", stream(picture, every_s=0.01))]
    return application(routes)


def loud():
    line_in = {"device": "wav:x", "open": True, "lost": None, "levels": {"sum": as_json(Level(clip=True))}}
    return {"inputs": [line_in], "outputs": []}


async def test_a_daemon_that_runs_is_asked(levels, tmp_path):
    async with serve(showing(loud), tmp_path / "control.sock"):
        told = await levels.beside("--once")
    assert told == Told(0, ["Levels of the daemon.", "line-in sum -120.0 dBFS, peak -120.0, clipping"], [])


@pytest.mark.slow
async def test_ctrl_c_ends_it_in_order(config, tmp_path):
    async with serve(showing(loud), tmp_path / "control.sock"):
        process = await start(config, "--json")
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")


@pytest.mark.slow
async def test_a_reader_that_goes_ends_it_in_order(config, tmp_path):
    async with serve(showing(loud), tmp_path / "control.sock"):
        line = f"{sys.executable} -m service levels --config {config} --json | head -n 1"
        command = ["bash", "-o", "pipefail", "-c", line]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = await process.communicate()
        assert (process.returncode, out.count(b"\n"), err) == (0, 1, b"")


@pytest.mark.slow
async def test_a_daemon_that_ends_is_told(config, tmp_path):
    async with serve(showing(loud), tmp_path / "control.sock"):
        process = await start(config, "--json")
        await process.stdout.readline()
    _, err = await process.communicate()
    assert process.returncode == 3 and err.decode().endswith("has ended\n") and err.count(b"\n") == 1


async def test_a_daemon_without_sound_says_so(levels, tmp_path):
    def nothing():
        raise Unavailable("see its status")

    async with serve(showing(nothing), tmp_path / "control.sock"):
        assert await levels.beside() == Told(75, [], ["boothd levels: see its status"])
