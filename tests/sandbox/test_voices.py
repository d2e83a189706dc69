import asyncio
import os
from itertools import combinations

import numpy as np
import pytest

from service.sandbox import voices as module
from service.sandbox.languages import TARGETS
from service.sandbox.phrases import load_phrases
from service.sandbox.voices import Voices, levelled, signature
from tests.fakes.speech import needs_espeak, sentences

BOOK = load_phrases()
SENTENCE = sentences()[3]
LISTING = """\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  es              --/M      Spanish_(Spain)    roa/es
 5  es-419          --/M      Spanish_(Latin_America) roa/es-419           (es-mx 6)(es 6)
 5  nb              --/M      Norwegian_Bokmål  gmq/nb               (no 5)
"""


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(float) / 32768


def loudness_dbfs(pcm: bytes) -> float:
    """Of its 20 ms frames that are not pauses."""
    speech = samples(pcm)
    frames = np.sqrt((speech[: len(speech) // 960 * 960].reshape(-1, 960) ** 2).mean(axis=1))
    return float(20 * np.log10(np.sqrt((frames[frames > 0.1 * frames.max()] ** 2).mean())))


def likeness(one: bytes, other: bytes) -> float:
    """The highest correlation of two sounds at any delay; 1 is a copy, however loud and late."""
    a, b = samples(one), samples(other)
    size = 1 << (len(a) + len(b)).bit_length()
    products = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    return float(np.abs(products).max() / np.linalg.norm(a) / np.linalg.norm(b))


def envelope(pcm: bytes) -> np.ndarray:
    speech = samples(pcm)
    return np.sqrt((speech[: len(speech) // 960 * 960].reshape(-1, 960) ** 2).mean(axis=1))


def after_sign(repeated: bytes) -> bytes:
    return repeated[len(Voices().repeat(b"", "es")) :]


@pytest.fixture
def program(tmp_path):
    """Makes a program that stands for espeak-ng; it lists three voices, then does what it is told."""

    def make(speaks: str) -> str:
        (tmp_path / "listing").write_text(LISTING)
        path = tmp_path / "espeak-ng"
        path.write_text(f'#!/bin/sh\ncd {tmp_path}\n[ "$1" = --voices ] && exec cat listing\n{speaks}\n')
        path.chmod(0o755)
        return str(path)

    return make


# -- what espeak-ng says --------------------------------------------------------------------------------------------


@needs_espeak
@pytest.mark.parametrize("language", BOOK.languages)
async def test_phrases_are_spoken_equally_loud_without_clicks_or_silence_around(language):
    voices = Voices()
    for phrase in BOOK.phrases[::28]:
        pcm = await voices.speak(str(BOOK.translate(phrase, language)), language)
        speech = samples(pcm)
        assert 0.6 < len(speech) / 48_000 < 5.0
        assert loudness_dbfs(pcm) == pytest.approx(-23.0, abs=1.5)
        assert np.abs(speech).max() < 0.99
        assert np.abs(speech[[0, 1, -2, -1]]).max() < 0.001
        loud = np.flatnonzero(np.abs(speech) > 0.01)
        assert loud[0] < 0.1 * 48_000 and loud[-1] > len(speech) - 0.1 * 48_000


@needs_espeak
async def test_every_language_of_the_service_has_its_voice_but_two():
    voices = Voices()
    assert {target for target in TARGETS if await voices.speak("1", target) is None} <= {"fil", "tl", "gl"}
    assert await voices.speak("hello", "tlh-x") is None


@needs_espeak
async def test_regions_sound_different():
    voices = Voices()
    text = "Gracias por su excelente ponencia."
    spain, mexico, argentina = [await voices.speak(text, language) for language in ("es-eu", "es-mx", "es-ar")]
    assert spain != mexico == argentina
    assert spain == await voices.speak(text, "es")


@needs_espeak
@pytest.mark.parametrize("text", ["", " ", "...", "\ud800", "\x01\x02", "-h", "--voices", "[[x", "<speak>", "a\nb\n"])
async def test_no_text_is_an_option_a_command_or_an_error(text):
    spoken = await Voices().speak(text, "es")
    assert spoken is not None
    assert len(spoken) < 96_000 * 3


async def test_the_text_goes_over_standard_input_only(program, tmp_path):
    voices = Voices(program=program("echo $@ > arguments; cat > text"))
    assert await voices.speak("¿Quién está\nen contra?", "es") == b""
    assert (tmp_path / "text").read_text() == "¿Quién está en contra?"
    assert (tmp_path / "arguments").read_text().split()[:2] == ["-v", "es"]
    assert "contra" not in (tmp_path / "arguments").read_text()


@pytest.mark.parametrize(
    ("language", "voice"),
    [("es-mx", "es-419"), ("es-ar", "es-419"), ("es-eu", "es"), ("no", "no"), ("nb", "nb"), ("fr", None)],
)
async def test_a_language_takes_the_nearest_voice_that_is_installed(program, tmp_path, language, voice):
    spoken = await Voices(program=program("echo $2 > voice")).speak("x", language)
    assert (spoken is None) == (voice is None)
    assert voice is None or (tmp_path / "voice").read_text().strip() == voice


async def test_without_the_program_nothing_is_spoken():
    assert await Voices(program="/nowhere/espeak-ng").speak("Hola", "es") is None


async def test_a_program_that_fails_speaks_nothing(program):
    assert await Voices(program=program("cat; exit 1")).speak("Hola", "es") is None


async def test_a_program_that_hangs_is_ended(program, tmp_path, monkeypatch):
    voices = Voices(program=program("echo $$ > pid; exec sleep 600"))
    speaking = asyncio.create_task(voices.speak("Hola", "es"))
    async with asyncio.timeout(10.0):
        while not (tmp_path / "pid").exists() or not (pid := (tmp_path / "pid").read_text().strip()):
            await asyncio.sleep(0.01)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    assert await voices.speak("Hola", "es") is None


# -- what the channel says of what was not understood ----------------------------------------------------------------


@pytest.mark.parametrize("language", ["es", "fr", "de", "it"])
def test_a_repeat_is_no_copy_but_has_the_same_words_in_time(language):
    repeated = Voices().repeat(SENTENCE, language)
    assert repeated == Voices().repeat(SENTENCE, language)
    assert likeness(SENTENCE, repeated) < 0.2
    assert likeness(SENTENCE, SENTENCE[20_000:]) > 0.9
    words = after_sign(repeated)
    assert len(words) == len(SENTENCE)
    assert np.corrcoef(envelope(words), envelope(SENTENCE))[0, 1] > 0.8
    assert loudness_dbfs(words) == pytest.approx(-23.0, abs=1.5)
    assert np.abs(samples(repeated)[[0, 1, -2, -1]]).max() < 0.001


def test_every_channel_hums_its_own_note():
    for language in ("es", "fr", "de", "it"):
        words = samples(after_sign(Voices().repeat(SENTENCE, language)))
        echoes = np.fft.irfft(np.abs(np.fft.rfft(words, 1 << 19)) ** 2)
        period = 200 + np.argmax(echoes[200:520])  # 92 to 240 Hz
        assert 48_000 / period == pytest.approx(signature(language)[0], rel=0.01)


def test_no_two_languages_have_the_same_sign_and_the_phrases_languages_lie_far_apart():
    assert len({signature(target) for target in TARGETS}) == len(TARGETS)
    for one, other in combinations(BOOK.languages, 2):
        notes = sorted([signature(one)[0], signature(other)[0]])
        assert notes[1] > 1.1 * notes[0]
    assert signature("tlh") == signature("tlh")


def test_two_channels_repeat_with_different_sounds():
    spanish, french = Voices().repeat(SENTENCE, "es"), Voices().repeat(SENTENCE, "fr")
    assert likeness(spanish, french) < 0.3


def test_nothing_repeated_is_the_sign_alone():
    assert len(Voices().repeat(b"", "es")) == pytest.approx(96_000 * 0.27)
    assert Voices().repeat(b"", "es") != Voices().repeat(b"", "de")


def test_levelling_leaves_silence_and_full_scale_alone():
    assert not levelled(np.zeros(100, np.float32), rate_hz=48_000).any()
    click = np.zeros(48_000, np.float32)
    click[::4800] = 0.01
    assert np.abs(levelled(click, rate_hz=48_000)).max() <= 0.98
