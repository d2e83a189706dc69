"""`boothd demo` with sound cards instead of files: on PulseAudio, and on simulated cards whose clocks run apart and
whose cables are pulled while the box is LIVE."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from service.sandbox.phrases import load_phrases
from tests.fakes import listening, pulse, sim_card
from tests.fakes.speech import recorded, silence

pytestmark = pytest.mark.slow

BOOK = load_phrases()
PHRASES = ("Welcome to the conference.", "Please take your seats.")
SPOKEN_S = 5.0  # the recording's first two phrases, with the pauses around them
SURE = 0.62  # as in test_desk.py
BLOCKS_S = (10.0, 27.0, 44.0)  # when they are spoken, in the time of line-in's card
UNPLUGGED_S = 5.0
IN_S, OUT_S, END_S = 19.0, 36.0, 53.0


@contextmanager
def demo(folder: Path, line_in: str, line_out: str, seconds: float, environment: dict[str, str]):
    """A running demo; its report is written when it is over."""
    command = [sys.executable, "-m", "service", "demo", "--line-in", line_in, "--line-out", line_out]
    options = ["--target", "es", "--seconds", str(seconds), "--report", str(folder / "report.json")]
    process = subprocess.Popen(
        [*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=os.environ | environment
    )
    try:
        yield process
        assert process.wait(seconds + 60) == 0
    finally:
        process.kill()
        process.wait()


def mono(samples: np.ndarray) -> np.ndarray:
    """At the rate of the ears."""
    return samples[: len(samples) // 3 * 3].reshape(-1, 3).mean(axis=1).astype(np.float32) / 32768


def place_s(sound: np.ndarray, phrase: str) -> float:
    """Where its translation is heard for sure."""
    likeness, at_s = listening.likeness(sound, BOOK.translate(phrase, "es"), "es")
    assert likeness > SURE, (phrase, likeness)
    return at_s


@pytest.mark.skipif(bool(pulse.MISSING), reason=f"not tried on PulseAudio: {', '.join(pulse.MISSING)} not installed")
def test_on_pulseaudio_phrases_go_in_and_their_translations_come_out(tmp_path):
    speech = np.frombuffer(silence(8) + recorded()[: round(SPOKEN_S * 48_000) * 2] + silence(6), "<i2")
    server = pulse.Pulse(tmp_path)
    server.start()
    try:
        with (
            server.listening() as heard,
            demo(tmp_path, "alsa:pcm=linein", "alsa:pcm=lineout", 15, server.environment) as process,
            server.speaking(np.repeat(speech, 2).tobytes()),
        ):
            assert process.wait(60) == 0
    finally:
        server.kill()
    sound = mono(np.fromfile(heard, "<i2").reshape(-1, 2)[:, 0].astype(np.float32))
    places_s = [place_s(sound, phrase) for phrase in PHRASES]
    assert places_s == sorted(places_s)
    frames = json.loads((tmp_path / "report.json").read_text())["frames"]
    assert frames["captured"] > 15 * 50 and frames["played"] > 0.95 * frames["received"] > 0


def test_pulled_cables_come_back_and_two_clocks_do_not_run_apart(tmp_path):
    sim_card.needed()
    block, speech = recorded()[: round(SPOKEN_S * 48_000) * 2], b""
    for begin_s in BLOCKS_S:
        speech += silence(begin_s - len(speech) / 96_000) + block
    cards = sim_card.SimCards(tmp_path, booth_in={"ppm": 150, "channels": 1}, booth_out={"ppm": -80, "channels": 1})
    line_in, line_out = cards["booth_in"], cards["booth_out"]
    line_in.file.write_bytes(speech + silence(END_S))
    with demo(tmp_path, "alsa:card=booth_in", "alsa:card=booth_out", END_S - 4, cards.environment):
        began_s = first_start(line_in)
        for card, at_s in ((line_in, IN_S), (line_out, OUT_S)):
            sleep_until(began_s + at_s)
            card.unplug()
            sleep_until(began_s + at_s + UNPLUGGED_S)
            card.plug()
    sound = mono(line_out.samples().astype(np.float32))
    apart_s = first_start(line_out) - began_s
    delays_s = [
        [
            place_s(sound[round(begin_s * 16_000) : round((begin_s + 14) * 16_000)], phrase) + apart_s
            for phrase in PHRASES
        ]
        for begin_s in BLOCKS_S
    ]
    assert np.ptp(delays_s, axis=0).max() < 1.0, delays_s  # of the interpreter, which thinks longer on a busy machine
    lamps = [row["alert"] for row in json.loads((tmp_path / "report.json").read_text())["lamps"]]
    assert (lamps.count("code-3"), lamps.count("code-4")) == (1, 1), lamps
    for card in (line_in, line_out):
        assert [event.what for event in card.events].count("start") == 2 + len(xruns(card)), card.events


def first_start(card: sim_card.Card) -> float:
    """When it was opened first, once it is."""
    while not card.events:
        time.sleep(0.1)
    return card.events[0].at_s


def xruns(card: sim_card.Card) -> list[sim_card.Event]:
    """Each is followed by a start."""
    return [event for event in card.events if event.what == "xrun"]


def sleep_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.clock_gettime(time.CLOCK_MONOTONIC_RAW)))
