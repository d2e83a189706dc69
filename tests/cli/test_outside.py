"""The verbs of sound beside a daemon that runs, against a sandbox, with files as line-in and line-out."""

import json
import subprocess
import wave

import numpy as np
import pytest

from tests.fakes.processes import BOOTHD, Box, box, credentials, recording, sandbox, settings_for, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with sandbox(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture
def start(tmp_path, world):
    """A box whose line-in is a sine at -12 dBFS for a minute."""
    sine = 8231 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)
    recording(tmp_path / "line-in.wav", np.tile(sine.astype("<i2"), 60).tobytes())
    settings = settings_for(tmp_path, world.url, line_in=str(tmp_path / "line-in.wav"), extra="{}")

    def begin(extra: str = ""):
        return box(tmp_path, settings.format(extra), environ=credentials(world))

    return begin


def verb(one: Box, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*BOOTHD, *arguments, "--config", str(one.config)]
    environ = {name: text for name, text in one.environ.items() if name != "PYTHONASYNCIODEBUG"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


def played(one: Box) -> np.ndarray:
    """The last second that is in the file of line-out."""
    with wave.open(str(one.folder / "line-out.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples[-48000:] / 32767


def test_levels_come_from_the_daemon_more_often_than_four_times_a_second(start):
    with start('[box]\nautostart = "always"') as one:
        one.until("live")
        until(lambda: one.status()["levels"]["input"]["peak_dbfs"] > -20, "the recording")
        told = verb(one, "levels", "--json", "--seconds", "4")
        pictures = [json.loads(line) for line in told.stdout.splitlines()]
        assert (told.returncode, told.stderr) == (0, "") and len(pictures) >= 16
        assert {tuple(picture) for picture in pictures} == {("inputs", "outputs")}
        (line_in,), (line_out,) = pictures[-1].values()
        assert line_in["levels"]["left"]["word"] == "good"
        assert line_in["levels"]["left"]["rms_dbfs"] == pytest.approx(-15, abs=0.2)
        assert line_out["open"] and line_out["device"] == f"wav:{one.folder}/line-out.wav"
        assert verb(one, "levels", "--once").stdout.splitlines()[0] == "Levels of the daemon."


def test_devices_know_what_the_daemon_uses(start):
    with start() as one:
        one.until("ready")
        picture = json.loads(verb(one, "devices", "--json").stdout)
        assert str(one.socket) in picture["settings_of"]
        assert [(use["use"], use["open"]) for use in picture["uses"]] == [("line-in", True), ("line-out", True)]


def test_a_tone_is_heard_in_line_out_and_not_unasked_over_a_translation(start):
    with start() as one:
        one.until("ready")
        told = verb(one, "tone", "--seconds", "2", "--level-dbfs", "-20", "--hz", "1000")
        assert (told.returncode, told.stderr) == (0, "") and "by the daemon" in told.stdout
        until(lambda: len(played(one)) and np.abs(played(one)).max() > 0.09, "the tone in the file")
        assert np.abs(played(one)).max() == pytest.approx(0.1, rel=0.02)
        assert verb(one, "tone", "--route", "7").returncode == 2


def test_on_air_a_tone_has_to_be_forced(start):
    with start('[box]\nautostart = "always"') as one:
        one.until("live")
        told = verb(one, "tone")
        assert (told.returncode, told.stdout, told.stderr.count("\n")) == (2, "", 1) and "on air" in told.stderr
        assert verb(one, "tone", "--force", "--seconds", "0.1").returncode == 0


def test_whoever_watches_levels_does_not_hold_the_end_up(start):
    with start() as one:
        one.until("ready")
        watching = subprocess.Popen([*BOOTHD, "levels", "--json", "--socket", str(one.socket)], stdout=subprocess.PIPE)
        watching.stdout.readline()
        code, took_s = one.stop()
        assert code == 0 and took_s < 6, one.log.read_text()
        watching.communicate(timeout=10)
        assert watching.returncode == 3
        assert "Traceback" not in one.log.read_text()


def test_a_box_in_fault_serves_its_devices_and_says_why_there_are_no_levels(start):
    with start('[session]\nintent = "fun"') as one:
        one.until("fault")
        assert verb(one, "devices", "--socket", str(one.socket)).returncode == 0
        told = verb(one, "levels", "--socket", str(one.socket))
        assert (told.returncode, told.stdout, told.stderr.count("\n")) == (75, "", 1)
