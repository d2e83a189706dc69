"""`boothd tone` as a user starts it: on a file as line-out, or through a daemon that notes what it is asked for."""

import asyncio
import signal
import subprocess
import sys
import wave

import numpy as np
import pytest
from aiohttp import web

from service.web.answers import Broken, Refused, command, current
from service.web.orders import ToneOrder
from service.web.server import application, serve
from tests.fakes.verbs import Told, Verb


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)  # it tells of every slow step of a busy machine
    path = tmp_path / "boothd.toml"
    path.write_text(f'[audio.output]\ndevice = "wav:{tmp_path}/out.wav"\n')
    return path


@pytest.fixture
def tone(config, capsys):
    return Verb("tone", config, capsys)


def test_without_a_daemon_line_out_is_opened_here(tone, tmp_path):
    told = tone("--seconds", "0.2", "--level-dbfs", "-12", "--hz", "1000")
    assert told == Told(0, ["1000 Hz at -12 dBFS for 0.2 s on line-out, opened here: no daemon runs."], [])
    with wave.open(str(tmp_path / "out.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    assert np.abs(samples).max() == pytest.approx(10 ** (-12 / 20), rel=0.01)
    (sounding,) = np.flatnonzero(np.diff(np.abs(samples) > 0.001, prepend=0, append=0)).reshape(-1, 2)[[0, -1]].T[0:1]
    assert sounding[-1] - sounding[0] == pytest.approx(0.2 * 48000, rel=0.02)


@pytest.mark.parametrize(
    ("text", "options", "code", "error"),
    [
        ('[audio]\noutput.device = "alsa:card=Nowhere"', (), 6, "audio.output.device: alsa:card=Nowhere: "),
        ('[audio]\ninput.device = "wav:x"', (), 78, "audio.output.device: no sound card"),
        ('[audio]\noutput.device = "wav:x"', ("--route", "2"), 2, "route: there is none of number 2"),
        ("", ("--hz", "0"), 2, "hz: "),
        ("", ("--seconds", "61"), 2, "seconds: "),
        ("", ("--level-dbfs", "1"), 2, "level_dbfs: "),
        ("", ("--socket", "/nowhere.sock"), 3, "no daemon answers on /nowhere.sock"),
    ],
)
def test_what_cannot_be_is_one_line(tone, config, text, options, code, error):
    config.write_text(text + "\n")
    told = tone(*options)
    assert (told.code, told.out, len(told.err)) == (code, [], 1)
    assert told.err[0].startswith(f"boothd tone: {error}")


class Daemon:
    """Notes the orders; raises what it is told to."""

    def __init__(self) -> None:
        self.orders: list[ToneOrder] = []
        self.error: Refused | None = None

    def tone(self, order: ToneOrder) -> None:
        if self.error is not None:
            raise self.error
        self.orders.append(order)

    def application(self) -> web.Application:
        routes = [web.get("/v1/status", current(dict)), web.post("/v1/tone", command(ToneOrder, self.tone))]
        return application(routes)


def start(config, *options):
    command = [sys.executable, "-m", "service", "tone", "--config", str(config), *options]
    return asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def test_a_daemon_that_runs_is_asked_and_waited_for(tone, tmp_path):
    daemon = Daemon()
    async with serve(daemon.application(), tmp_path / "control.sock"):
        told = await tone.beside("--seconds", "0.01", "--route", "2", "--channel", "left", "--force")
    assert told == Told(0, ["440 Hz at -20 dBFS for 0.01 s on line-out, by the daemon."], [])
    assert daemon.orders == [ToneOrder(seconds=0.01, route=2, channel="left", force=True)]
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.slow
async def test_ctrl_c_ends_the_tone_too(config, tmp_path):
    daemon = Daemon()
    async with serve(daemon.application(), tmp_path / "control.sock"):
        process = await start(config, "--seconds", "60")
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert [order.seconds for order in daemon.orders] == [60, 0]


@pytest.mark.parametrize(("error", "code"), [(Refused("on air"), 2), (Broken("gone"), 6)])
async def test_a_daemon_that_refuses_is_quoted(tone, tmp_path, error, code):
    daemon = Daemon()
    daemon.error = error
    async with serve(daemon.application(), tmp_path / "control.sock"):
        assert await tone.beside() == Told(code, [], [f"boothd tone: {error}"])
