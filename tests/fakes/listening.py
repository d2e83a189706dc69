"""Ears for tests: how sure one is to hear a text, as espeak-ng alone speaks it, somewhere in a recording."""

import subprocess
import wave
from functools import cache
from pathlib import Path

import av
import numpy as np

RATE_HZ = 16_000
FRAME, HOP = 512, 160  # 32 ms, every 10 ms
BANDS = 32
AUDIBLE = 10 ** (-50 / 20)


def load(path: Path) -> np.ndarray:
    """A sound file as mono floats at 16 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    with av.open(str(path)) as container:
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32) / 32768


@cache
def spoken(text: str, voice: str) -> np.ndarray:
    """The text by espeak-ng, without any option but the voice."""
    command = ["espeak-ng", "-v", voice, "--stdout", text]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    pcm = np.frombuffer(output[44:], "<i2").astype(np.float32) / 32768
    rate_hz = int.from_bytes(output[24:28], "little")
    places = np.arange(0, len(pcm) - 1, rate_hz / RATE_HZ)
    sound = np.interp(places, np.arange(len(pcm)), pcm).astype(np.float32)
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1] + 1]


def features(sound: np.ndarray) -> np.ndarray:
    """Logarithmic band energies, a row every 10 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    edges = np.unique(np.round(np.geomspace(100, 6500, BANDS + 1) / RATE_HZ * FRAME).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    return np.log10(bands + 1e-7)


def likeness(recording: np.ndarray, text: str, voice: str) -> tuple[float, float]:
    """The best correlation of the text's spectrogram with a stretch of the recording, and where, in seconds."""
    wanted, given = features(spoken(text, voice)), features(recording)
    length = len(wanted)
    if len(given) < length:
        return 0.0, 0.0
    wanted = (wanted - wanted.mean(axis=0)) / wanted.std()
    best, where = 0.0, 0
    for start in range(0, len(given) - length + 1, 2):
        stretch = given[start : start + length]
        stretch = stretch - stretch.mean(axis=0)
        norm = stretch.std()
        if norm > 0.05:
            score = float((wanted * stretch).mean() / norm)
            if score > best:
                best, where = score, start
    return best, where * HOP / RATE_HZ


def silent(recording: np.ndarray) -> bool:
    """Whether there is nothing to hear."""
    return bool(np.abs(recording).max(initial=0.0) < AUDIBLE)


def write_wav(path: Path, sound: np.ndarray, *, rate_hz: int, channels: int = 1) -> None:
    """16 bit; the same on every channel."""
    pcm = np.repeat((np.clip(sound, -1, 1) * 32767).astype("<i2"), channels)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(pcm.tobytes())
