"""The verbs of sound without a daemon, on PulseAudio and on simulated cards."""

import json
import os
import pty
import signal
import subprocess

import numpy as np
import pytest

from tests.fakes import pulse
from tests.fakes.processes import BOOTHD, until
from tests.fakes.sim_card import SimCards, needed

pytestmark = pytest.mark.slow

SETTINGS = '[audio]\ninput.device = "{}"\noutput.device = "{}"\n[http]\nsocket = "{}/control.sock"\n'


class Desk:
    """A settings file and the environment of a command."""

    def __init__(self, folder, environment, *, line_in, line_out):
        self._config = folder / "boothd.toml"
        self._config.write_text(SETTINGS.format(line_in, line_out, folder))
        kept = {name: text for name, text in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
        self.environ = kept | environment

    def command(self, *arguments):
        return [*BOOTHD, *arguments, "--config", str(self._config)]

    def run(self, *arguments):
        command = self.command(*arguments)
        return subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=60)


@pytest.fixture
def server(tmp_path):
    if pulse.MISSING and "REQUIRE_LIVEKIT_SERVERS" not in os.environ:
        pytest.skip(f"not tried on PulseAudio, not installed: {', '.join(pulse.MISSING)}")
    one = pulse.Pulse(tmp_path)
    one.start()
    yield one
    one.kill()


@pytest.fixture
def desk(tmp_path, server):
    return Desk(tmp_path, server.environment, line_in="alsa:pcm=linein", line_out="alsa:pcm=lineout")


def sine(left, right, seconds):
    """Two sides of a sine of these amplitudes, s16."""
    wave = np.sin(2 * np.pi * 1000 * np.arange(48000 * seconds) / 48000)
    return (32767 * np.stack([left * wave, right * wave], axis=1)).astype("<i2").tobytes()


def test_levels_of_a_card(desk, server):
    with server.speaking(sine(0.25, 0.0, 30)):
        told = desk.run("levels", "--json", "--seconds", "3")
    assert (told.returncode, told.stderr) == (0, "")
    levels = [json.loads(line)["inputs"][0]["levels"]["left"] for line in told.stdout.splitlines()]
    loudest = max(levels, key=lambda level: level["rms_dbfs"])
    assert loudest["rms_dbfs"] == pytest.approx(-15.1, abs=0.2) and loudest["word"] == "good"


def test_levels_on_a_terminal_until_ctrl_c(desk):
    ours, its = pty.openpty()
    process = subprocess.Popen(desk.command("levels"), env=desk.environ, stdout=its, stderr=subprocess.PIPE)
    os.close(its)
    shown = b""
    try:
        while shown.count(b"\x1b[4A") < 5:  # each picture in the place of the one before
            shown += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, b"")
        assert shown.startswith(b"Levels of line-in, opened here") and b"] -120.0 dBFS" in shown
    finally:
        process.kill()
        os.close(ours)


def test_a_card_that_goes_is_told_and_comes_back(desk, server):
    with subprocess.Popen(desk.command("levels", "--json"), env=desk.environ, stdout=subprocess.PIPE) as process:

        def line_in():
            return json.loads(process.stdout.readline())["inputs"][0]

        try:
            assert line_in()["open"]
            server.kill()
            until(lambda: not line_in()["open"], "the loss")
            assert "alsa:pcm=linein" in line_in()["lost"]
            server.start()
            until(lambda: line_in()["open"], "the return")
        finally:
            process.kill()


def test_a_tone_on_a_card(desk, server):
    with server.listening() as recording:
        until(lambda: recording.stat().st_size, "the recording's begin")
        told = desk.run("tone", "--seconds", "2", "--level-dbfs", "-12", "--channel", "right")
    assert (told.returncode, told.stderr) == (0, "")
    heard = np.fromfile(recording, "<i2").reshape(-1, 2) / 32768
    left, right = np.abs(heard).max(axis=0)
    assert right == pytest.approx(10 ** (-12 / 20), rel=0.02) and left < 0.001


def test_a_card_that_hangs_is_given_up(desk, server):
    server.send_signal(signal.SIGSTOP)
    try:
        for verb in ("levels", "tone"):
            told = desk.run(verb)
            assert (told.returncode, told.stdout, told.stderr.count("\n")) == (6, "", 1), told.stderr
            assert "does not answer" in told.stderr
        found = json.loads(desk.run("devices", "--json").stdout)["devices"]
        problem = next(one["input"]["problem"] for one in found if one["uses"])
        assert problem in ("it does not answer", "Connection refused")  # so many wait at its door
    finally:
        server.send_signal(signal.SIGCONT)


def test_devices_say_what_each_can(desk):
    picture = json.loads(desk.run("devices", "--json").stdout)
    found = {device["devices"][0]: device for device in picture["devices"]}
    assert found["alsa:pcm=linein"]["input"]["fits"] and found["alsa:pcm=lineout"]["output"]["fits"]
    assert [use["use"] for use in found["alsa:pcm=lineout"]["uses"]] == ["line-out"]


# -- on simulated cards, sample by sample ------------------------------------------------------------------------------


def test_a_tone_comes_and_goes_without_a_click_also_by_ctrl_c(tmp_path):
    needed()
    cards = SimCards(tmp_path, mic={}, speaker={"channels": "2"})
    desk = Desk(tmp_path, cards.environment, line_in="alsa:card=mic", line_out="alsa:card=speaker")
    assert desk.run("tone", "--seconds", "0.5").returncode == 0
    process = subprocess.Popen(desk.command("tone", "--seconds", "60"), env=desk.environ, stdout=subprocess.PIPE)
    process.stdout.readline()
    until(lambda: np.abs(cards["speaker"].samples()[-4800:]).max() > 3000, "the tone")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    heard = cards["speaker"].samples(2) / 32767
    steady = 0.1 * (2 * np.pi * 440 / 48000) ** 2  # the second difference of the tone itself
    assert np.abs(heard).max() == pytest.approx(0.1, rel=0.02)
    assert np.abs(np.diff(heard, 2, axis=0)).max() < 2 * steady + 1e-4


def test_a_card_that_another_has_is_busy(tmp_path):
    needed()
    cards = SimCards(tmp_path, mic={}, speaker={})
    desk = Desk(tmp_path, cards.environment, line_in="alsa:card=mic", line_out="alsa:card=speaker")
    with subprocess.Popen(desk.command("levels", "--json"), env=desk.environ, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        told = desk.run("levels")
        assert (told.returncode, told.stdout) == (6, "") and "busy" in told.stderr
        found = json.loads(desk.run("devices", "--json").stdout)["devices"]
        assert next(one["input"]["problem"] for one in found if one["devices"] == ["alsa:pcm=mic"]).endswith("busy")
        holder.kill()
