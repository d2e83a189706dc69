"""Speech for the tests of the sandbox's ears: the bundled recording and, where flite is installed, fresh sentences."""

import functools
import runpy
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from service.sandbox.phrases import normalise
from service.sandbox.resample import resample
from service.sandbox.transcriber import Event, Transcriber, Utterance

MAKER = Path(__file__).parents[2] / "deploy/make-recording"
RECORDING = runpy.run_path(str(MAKER))["RECORDING"]
SPOKEN = runpy.run_path(str(MAKER))["SPOKEN"]  # (second, voice, text, whether it is a phrase)
PHRASES = [normalise(text) if known else "" for _, _, text, known in SPOKEN]
ENDS_S = [1.95, 4.32, 8.21, 14.18, 18.16, 21.54, 24.35]  # of the last sound of each, as the maker prints them
OFF_TOPIC = SPOKEN[3]

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@functools.cache
def recorded() -> bytes:
    """The recording as the box would send it: mono s16 at 48 kHz."""
    with av.open(str(RECORDING)) as container:
        pcm = b"".join(frame.to_ndarray().tobytes() for frame in container.decode(audio=0))
    return resample(pcm, from_hz=16_000, to_hz=48_000)


def sentences() -> list[bytes]:
    """The recording's seven sentences, without the pauses."""
    pcm = recorded()
    return [
        pcm[round(at_s * 48_000) * 2 : round(end_s * 48_000) * 2]
        for (at_s, *_), end_s in zip(SPOKEN, ENDS_S, strict=True)
    ]


def silence(seconds: float) -> bytes:
    """Digital silence at 48 kHz."""
    return bytes(round(seconds * 48_000) * 2)


def at_gain(pcm: bytes, gain: float) -> bytes:
    """The same, louder or quieter."""
    return (np.frombuffer(pcm, np.int16).astype(float) * gain).clip(-32768, 32767).astype(np.int16).tobytes()


@functools.cache
def flite(text: str, voice: str, stretch: float = 1.0) -> bytes:
    """The text spoken by flite, with half a second of silence before and after, at 48 kHz."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch}", "-t", text, "-o", file.name]
        subprocess.run(command, check=True)
        with wave.open(file.name) as sound:
            pcm = sound.readframes(sound.getnframes())
            pcm = resample(pcm, from_hz=sound.getframerate(), to_hz=48_000)
    return silence(0.5) + pcm + silence(0.5)


def heard(transcriber: Transcriber, pcm: bytes) -> list[Utterance]:
    """All utterances in this sound."""
    return utterances([*transcriber.feed(pcm), *transcriber.finish()])


def utterances(events: list[Event]) -> list[Utterance]:
    """Without the partial ones."""
    return [event for event in events if isinstance(event, Utterance)]
