"""How the interpreter sounds: espeak-ng for what it can say, the channel's own hum for what it did not understand."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
from zlib import crc32

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from service.core.audio import RATE_HZ
from service.core.languages import base_code
from service.sandbox.languages import TARGETS
from service.sandbox.resample import resample

log = logging.getLogger(__name__)

PROGRAM = "espeak-ng"
SPEED_WPM = 175  # as espeak-ng alone speaks, so that a listener can compare
TIMEOUT_S = 10.0  # a minute of speech takes half a second; more is a program that hangs
LOUDNESS_DBFS = -23.0  # speech peaks up to 22 dB above its mean
FADE_S = 0.005

# Where espeak-ng's own name is neither the code nor its language ("es-co", "en"); the accent that is nearest.
_VOICES = {
    **dict.fromkeys(("es-ar", "es-ch", "es-co", "es-la", "es-mx"), "es-419"),
    **{"en": "en-us", "en-ca": "en-us", "en-au": "en-gb", "pt-la": "pt-br"},
}
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f]+|\[\[")  # control codes are commands to espeak-ng, "[[" begins phonemes
_WAV_HEADER_BYTES = 44

_HUMS = 14  # semitones; es, fr, de and it come to lie two and more apart
_LOWEST_HUM_HZ = 98.0
_WINDOW = 1024
_SIGN_NOTE_S = 0.09
_SIGN_INTERVALS = (7, -5, 4, -3, 12, 2, 9)  # semitones

Samples = npt.NDArray[np.float32]


class Voices:
    """Every language's voice; sound is mono s16 at 48 kHz, equally loud, and begins and ends without a click."""

    def __init__(self, *, program: str = PROGRAM) -> None:
        self._program = program
        self._installed: frozenset[str] | None = None

    async def speak(self, text: str, language: str) -> bytes | None:
        """The text in a voice of this language; None when there is no such voice, or no espeak-ng."""
        voice = await self._voice(language)
        if voice is None:
            return None
        # Over standard input, so that no text is taken for an option, or seen in the list of processes.
        wav = await self._run("-v", voice, "-s", str(SPEED_WPM), "-z", "-b", "1", "--stdin", "--stdout", text=text)
        if wav is None:
            return None
        rate_hz = int.from_bytes(wav[24:28], "little")  # as written to a pipe, the lengths in the header are false
        pcm = resample(wav[_WAV_HEADER_BYTES:], from_hz=rate_hz, to_hz=RATE_HZ) if rate_hz else b""
        return _to_pcm(levelled(_from_pcm(pcm), rate_hz=RATE_HZ))

    def repeat(self, audio: bytes, language: str) -> bytes:
        """What was not understood, in a voice that is plainly this channel's: its sign, then the words on one note.

        Never the sound itself: the words can be followed, the waveform has nothing in common with the speaker's.
        """
        hum_hz, interval = signature(language)
        notes = [_note(4 * hum_hz), _note(4 * hum_hz * 2 ** (interval / 12)), _note(0.0)]
        return _to_pcm(np.concatenate([*notes, levelled(_hummed(_from_pcm(audio), hum_hz), rate_hz=RATE_HZ)]))

    async def _voice(self, language: str) -> str | None:
        if self._installed is None:
            listing = await self._run("--voices")
            self._installed = _codes(listing.decode(errors="replace") if listing else "")
        candidates = (_VOICES.get(language, language), base_code(language))
        return next((voice for voice in candidates if voice in self._installed), None)

    async def _run(self, *arguments: str, text: str = "") -> bytes | None:
        """What the program writes; None when it is not there, fails or hangs."""
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(self._program, *arguments, stdin=pipe, stdout=pipe)
        except OSError:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                output, _ = await process.communicate(_NO_TEXT.sub(" ", text).encode(errors="replace"))
        except TimeoutError:
            log.warning("%s did not answer within %g s", self._program, TIMEOUT_S)
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return output if process.returncode == 0 else None


def can_speak() -> bool:
    """Whether espeak-ng is installed."""
    return shutil.which(PROGRAM) is not None


def signature(language: str) -> tuple[float, int]:
    """The channel's note in Hz, and the interval of its sign in semitones; no two languages have the same of both."""
    place = TARGETS.index(language) if language in TARGETS else crc32(language.encode())
    return _LOWEST_HUM_HZ * 2 ** (place % _HUMS / 12), _SIGN_INTERVALS[place // _HUMS % len(_SIGN_INTERVALS)]


def levelled(samples: Samples, *, rate_hz: int) -> Samples:
    """The same speech at LOUDNESS_DBFS, its pauses not counted, with ramps at both ends."""
    if not samples.any():
        return samples
    frame = rate_hz // 50
    powers = np.square(np.pad(samples, (0, -len(samples) % frame))).reshape(-1, frame).mean(axis=1)
    rms = float(np.sqrt(powers[powers > powers.max() / 100].mean()))
    gain = min(10 ** (LOUDNESS_DBFS / 20) / rms, 0.98 / float(np.abs(samples).max()))
    ramp = np.minimum(1.0, np.arange(len(samples)) / (FADE_S * rate_hz)).astype(np.float32)
    return np.asarray(samples * ramp * ramp[::-1] * np.float32(gain), np.float32)


def _hummed(samples: Samples, hum_hz: float) -> Samples:
    """Speech without its melody: each period of the note takes the spectrum of that moment and forgets its phases."""
    period, window = round(RATE_HZ / hum_hz), np.hanning(_WINDOW).astype(np.float32)
    padded = np.pad(samples, _WINDOW)
    spectra = np.abs(np.fft.rfft(sliding_window_view(padded, _WINDOW)[::period] * window, axis=1))
    pulses = np.roll(np.fft.irfft(spectra, axis=1), _WINDOW // 2, axis=1) * window
    hummed: Samples = np.zeros(len(padded), np.float32)
    for number, pulse in enumerate(pulses):
        hummed[number * period : number * period + _WINDOW] += pulse
    return hummed[_WINDOW : _WINDOW + len(samples)]


def _note(pitch_hz: float) -> Samples:
    moments = np.arange(round(_SIGN_NOTE_S * RATE_HZ))
    swell = np.sin(np.pi * moments / len(moments))
    return np.asarray(0.1 * swell * np.sin(2 * np.pi * pitch_hz * moments / RATE_HZ), np.float32)


def _codes(listing: str) -> frozenset[str]:
    """The language codes in what `espeak-ng --voices` prints: its second column, and the "(code priority)" of a row."""
    rows = [row.split(maxsplit=4) for row in listing.splitlines()[1:]]
    own = {row[1].lower() for row in rows if len(row) > 1}
    return frozenset(own | set(re.findall(r"\((\S+) \d+\)", listing)))


def _from_pcm(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


def _to_pcm(samples: Samples) -> bytes:
    return bytes((samples * 32767).round().astype("<i2").tobytes())
