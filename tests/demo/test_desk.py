"""`boothd demo` as a newcomer runs it: the whole way from recorded English to Spanish and French in a file."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.demo.desk import bundled_recording
from service.sandbox.phrases import load_phrases
from tests.fakes import listening

pytestmark = pytest.mark.slow

BOOK = load_phrases()
SURE, DOUBTFUL = 0.62, 0.55  # a text that is there scores 0.7 to 0.95, any other 0.5 at most
OFF_TOPIC = "My grandmother keeps seven chickens behind her house."
EARLY = ("Welcome to the conference.", "Please take your seats.", "Let us begin with the first item on the agenda.")
LATE = ("Are there any questions from the audience?", "The results are better than we expected.")
OTHERS = ("The agenda is adopted.", "Could you please repeat the question?", "Congratulations on your excellent work.")


def demo(folder: Path, *options: str, prefix: tuple[str, ...] = ()) -> tuple[int, dict, str]:
    """Exit code, report and what was printed."""
    report = folder / "report.json"
    command = [*prefix, sys.executable, "-m", "service", "demo"]
    command += ["--line-out", f"wav:{folder / 'line-out.wav'}", "--report", str(report), *options]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert "Traceback" not in done.stdout, done.stdout
    return done.returncode, json.loads(report.read_text()), done.stdout


class LineOut:
    """What came out of the box."""

    def __init__(self, folder: Path) -> None:
        self.sound = listening.load(folder / "line-out.wav")

    def likeness(self, phrase: str, language: str) -> float:
        translation = BOOK.translate(phrase, language)
        assert translation is not None
        return listening.likeness(self.sound, translation, language)[0]

    def place_s(self, phrase: str, language: str) -> float:
        return listening.likeness(self.sound, BOOK.translate(phrase, language), language)[1]


def said(report: dict, kind: str, language: str) -> list[str]:
    return [row["text"] for row in report["captions"] if row["kind"] == kind and row["language"] == language]


def test_english_is_heard_in_spanish_and_after_the_button_in_french(tmp_path):
    code, report, shown = demo(tmp_path, "--seconds", "40", "--script", "12 lang")
    assert code == 0, shown
    heard = LineOut(tmp_path)
    scores = {phrase: [heard.likeness(phrase, each) for each in ("es", "fr", "de", "it")] for phrase in EARLY + LATE}
    for phrase in EARLY:
        assert scores[phrase][0] > SURE and max(scores[phrase][1:]) < DOUBTFUL, scores
    for phrase in LATE:
        assert scores[phrase][1] > SURE and max(scores[phrase][0], *scores[phrase][2:]) < DOUBTFUL, scores
    places_s = [heard.place_s(phrase, "es") for phrase in EARLY] + [heard.place_s(phrase, "fr") for phrase in LATE]
    assert places_s == sorted(places_s)

    assert said(report, "translated_transcription", "es") == [BOOK.translate(phrase, "es") for phrase in EARLY]
    french = said(report, "translated_transcription", "fr")
    assert french[0].startswith("[not understood") and french[1:3] == [BOOK.translate(phrase, "fr") for phrase in LATE]
    assert report["phase"] == "live" and report["time_to_live_s"] > 0
    assert {"wanted": "fr", "confirmed": "fr"} == {key: report["languages"][-1][key] for key in ("wanted", "confirmed")}
    frames = report["frames"]
    assert frames["captured"] > 40 * 50 and frames["played"] > 0.95 * frames["received"] > 0
    assert report["lamps"][-1] | {"t_s": 0} == {"t_s": 0, "link": "on", "live": "on", "alert": "off"}


def test_the_ears_can_tell_a_bypass_silence_and_another_text(tmp_path):
    """What the test above would say of a box that does not interpret."""
    source = listening.load(Path(bundled_recording().removeprefix("wav:")))
    spoken = listening.spoken(BOOK.translate("Thank you and goodbye.", "es"), "es")
    for wrong in (source, np.zeros(40 * listening.RATE_HZ, np.float32), np.tile(spoken, 8)):
        listening.write_wav(tmp_path / "line-out.wav", wrong, rate_hz=listening.RATE_HZ)
        heard = LineOut(tmp_path)
        assert all(heard.likeness(phrase, "es") < DOUBTFUL for phrase in EARLY)


def test_what_is_off_topic_is_repeated_in_the_voice_of_the_channel_never_translated_or_passed_through(tmp_path):
    code, report, shown = demo(tmp_path, "--seconds", "18", "--target", "es")
    assert code == 0, shown
    assert "[not understood]" in said(report, "validated_transcription", "en")
    source = listening.load(Path(bundled_recording().removeprefix("wav:")))[int(10.9 * 16000) : int(14.3 * 16000)]
    assert np.abs(source).max() > 0.05  # that is where it is said
    heard = LineOut(tmp_path).sound
    spectrum = np.fft.rfft(heard, 1 << 20) * np.conj(np.fft.rfft(source, 1 << 20))
    likeness = np.abs(np.fft.irfft(spectrum)).max() / np.sum(source**2)
    assert likeness < 0.3  # a copy gives 1


def other_recording(folder: Path) -> Path:
    """Other phrases, another voice, stereo at 44.1 kHz with the speaker on the left alone."""
    pieces = []
    for phrase in OTHERS:
        wav = subprocess.run(
            ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", phrase], check=True, capture_output=True
        ).stdout
        pcm = np.frombuffer(wav[44:], "<i2").astype(np.float32) / 32768
        places = np.arange(0, len(pcm) - 1, int.from_bytes(wav[24:28], "little") / 44100)
        pieces += [np.zeros(44100), np.interp(places, np.arange(len(pcm)), pcm)]
    left = np.concatenate([*pieces, np.zeros(22050)])
    stereo = np.stack([left, np.zeros_like(left)], axis=1).ravel()
    path = folder / "other.wav"
    listening.write_wav(path, stereo, rate_hz=44100, channels=1)
    sound = bytearray(path.read_bytes())
    sound[22:24], sound[32:34] = (2).to_bytes(2, "little"), (4).to_bytes(2, "little")  # two channels of it
    sound[28:32] = (44100 * 4).to_bytes(4, "little")
    path.write_bytes(sound)
    return path


def test_another_recording_ends_the_demo_by_itself_when_its_last_translation_was_heard(tmp_path):
    code, report, shown = demo(tmp_path, "--line-in", f"wav:{other_recording(tmp_path)}", "--target", "it,de")
    assert code == 0, shown
    assert said(report, "translated_transcription", "it") == [BOOK.translate(phrase, "it") for phrase in OTHERS]
    heard = LineOut(tmp_path)
    assert all(heard.likeness(phrase, "it") > SURE for phrase in OTHERS)


def test_mute_pause_and_end_by_script(tmp_path):
    script = "1 mute; 5 mute; 6 live; 8 live; 11 live-hold"
    code, report, shown = demo(tmp_path, "--seconds", "13", "--script", script, "--target", "es")
    assert code == 0 and report["phase"] == "ready", shown
    lamps = [(round(row["t_s"]), row["live"]) for row in report["lamps"] if row["t_s"] > 0.5]
    assert [(at_s, pattern) for at_s, pattern in lamps if pattern in ("slow", "off")][:2] == [(1, "slow"), (6, "slow")]
    assert lamps[-1][1] == "off" and "on" in [pattern for at_s, pattern in lamps if at_s >= 8]
    sound = listening.load(tmp_path / "line-out.wav")
    live_s = len(sound) / 16000 - 13  # the demo ended 13 s after the first LIVE
    muted = sound[int((live_s + 1.6) * 16000) : int((live_s + 4.4) * 16000)]
    assert not np.abs(muted).max(initial=0)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--line-in", "hw:0"), 1, "counts cards"),
        (("--script", "5 jump"), 1, "5 jump"),
        (("--target", "en,vn"), 1, '"vi"'),
        (("--seconds", "0"), 1, "seconds"),
        (("--report", "/nowhere/r.json"), 1, "/nowhere/r.json"),
    ],
)
def test_a_wrong_option_is_named(options, code, text):
    done = subprocess.run([sys.executable, "-m", "service", "demo", *options], capture_output=True, text=True)
    assert done.returncode == code and text in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("option", "file"), [("--line-in", "missing.wav"), ("--line-out", "folder")])
def test_a_file_that_cannot_be_used_ends_the_demo_with_exit_6(tmp_path, option, file):
    (tmp_path / "folder").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "service", "demo", "--seconds", "5", option, f"wav:{tmp_path / file}"],
        **{"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "cwd": tmp_path, "timeout": 60},
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 6 and str(tmp_path / file) in done.stderr and "Traceback" not in done.stderr


def test_with_only_the_loopback_interface_up(tmp_path):
    prefix = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"')
    if shutil.which("ip") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("not tried without a network: no right to make a network namespace, or no `ip`")
    code, report, shown = demo(tmp_path, "--seconds", "8", "--target", "es", prefix=prefix)
    assert code == 0 and report["phase"] == "live", shown
    assert LineOut(tmp_path).likeness(EARLY[1], "es") > SURE
