"""Three targets in one session on a stereo card and a mono one, both files: each is heard where its route leads."""

import wave
from pathlib import Path

import numpy as np
import pytest

from service.sandbox.phrases import load_phrases
from tests.cluster.test_livekit import speech
from tests.fakes import listening
from tests.fakes.processes import Box, box, credentials, sandbox, until

pytestmark = pytest.mark.slow

BOOK = load_phrases()
PHRASES = ("Welcome to the conference.", "Please take your seats.", "Let us begin with the first item on the agenda.")
SURE, DOUBTFUL = 0.62, 0.55  # a text that is there scores 0.7 to 0.95, any other 0.5 at most
PLACES = {"es": ("hall.wav", 0), "fr": ("hall.wav", 1), "de": ("lobby.wav", 0)}
WINDOW = 960
SPOKEN = 10 ** (-30 / 20)

SETTINGS = """
[box]
autostart = "always"
[palabra]
base_url = "{url}"
[[pair]]
name = "all"
source = "en"
targets = ["es", "fr", "de"]
[audio.input]
device = "wav:{line_in}"
[audio.output]
device = "wav:{folder}/hall.wav"
[[audio.output.route]]
target = "es"
channel = "left"
[[audio.output.route]]
target = "fr"
channel = "right"
[[audio.output.route]]
target = "de"
device = "wav:{folder}/lobby.wav"
[http]
socket = "{folder}/control.sock"
[log]
captions = true
"""


def jacks(folder: Path) -> dict[str, np.ndarray]:
    """What was heard of each, from the beginning."""
    heard = {}
    for language, (name, channel) in PLACES.items():
        with wave.open(str(folder / name)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        heard[language] = pcm[:, channel].astype(np.float32) / 32768
    return heard


def likeness(sound: np.ndarray, phrase: str, language: str) -> float:
    at_16_khz = sound[: len(sound) // 3 * 3].reshape(-1, 3).mean(axis=1)
    return listening.likeness(at_16_khz, BOOK.translate(phrase, language), language)[0]


def loudness(sound: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(sound[: len(sound) // WINDOW * WINDOW].reshape(-1, WINDOW) ** 2, axis=1))


def leak_db(speaking: np.ndarray, other: np.ndarray) -> float:
    """How much quieter the other jack is at its quietest while this one speaks; a leak would never be less."""
    both = min(len(speaking), len(other)) // WINDOW
    level, beside = loudness(speaking)[:both], loudness(other)[:both]
    spoken = level > SPOKEN
    return float(20 * np.log10((beside[spoken] / level[spoken]).min() + 1e-6))


def in_the_middle_of_speech(one: Box) -> bool:
    picture = one.status()
    return picture is not None and picture["devices"]["outputs"][0]["levels"]["left"]["peak_dbfs"] > -20


def test_each_target_is_heard_where_it_belongs_and_a_stop_ends_it_softly(tmp_path):
    with sandbox(tmp_path) as cloud:
        settings = SETTINGS.format(url=cloud.url, line_in=speech(tmp_path, 2), folder=tmp_path)
        with box(tmp_path, settings, environ=credentials(cloud)) as one:
            until(lambda: len(one.captions("de")) > 8, "as many phrases as leave each language alone for a moment", 90)
            until(lambda: in_the_middle_of_speech(one), "speech")
            code, took_s = one.stop()
            assert code == 0
    heard = jacks(tmp_path)
    for language, sound in heard.items():
        scores = {each: sorted(likeness(sound, phrase, each) for phrase in PHRASES) for each in PLACES}
        assert scores[language][1] > SURE, (language, scores)  # a phrase may be concealed while the machine is busy
        assert max(scores[each][-1] for each in PLACES.keys() - {language}) < DOUBTFUL, (language, scores)
        for other in PLACES.keys() - {language}:
            leak = leak_db(sound, heard[other])
            print(f"{language} in the jack of {other}: {leak:.0f} dB at most")
            assert leak < -60
    print(f"stopped within {took_s:.2f} s")
    for language, sound in heard.items():
        end = int(np.flatnonzero(sound)[-1]) + 1
        assert len(sound) - end >= 480  # what is in the card when it is closed
        last_ms = float(np.abs(sound[end - 48 : end]).max())
        print(f"{language} ends at {20 * np.log10(last_ms):.0f} dBFS")
        assert last_ms < 0.003  # the end of a ramp of 30 ms; of speech that is cut off it is ten times as much
