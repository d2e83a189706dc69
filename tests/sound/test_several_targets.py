"""Three targets through the real codec, in virtual time: each where it belongs, at its level, and nowhere else."""

import numpy as np
import pytest

from service.core.audio import FRAME_SAMPLES, RATE_HZ
from service.core.routes import Route
from service.sound.opus import OpusDecoder, OpusEncoder
from tests.fakes.desk import Desk
from tests.fakes.sound import FakeOutput

ROUTES = [Route("hall", "es", "left"), Route("hall", "fr", "right"), Route("lobby", "de")]
TONES_HZ = {"es": 440.0, "fr": 1000.0, "de": 2500.0}
PEAK = 0.25
CEILING_DBFS = -3.0
CEILING = 10 ** (CEILING_DBFS / 20)
SECONDS = 1.2
STEADY = slice(RATE_HZ // 2, RATE_HZ)  # of what is heard


def spoken(frequency_hz: float | None) -> list[bytes]:
    """A tone, or silence, as packets."""
    at = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    sound = np.zeros(len(at)) if frequency_hz is None else PEAK * np.sin(2 * np.pi * frequency_hz * at)
    pcm, encoder = (sound * 32767).astype("<i2"), OpusEncoder()
    return [encoder.encode(pcm[n : n + FRAME_SAMPLES].tobytes()) for n in range(0, len(pcm), FRAME_SAMPLES)]


@pytest.fixture(scope="module")
def packets():
    return {language: spoken(tone) for language, tone in TONES_HZ.items()} | {"silence": spoken(None)}


def heard(packets, *languages: str, gain_db: float = 0.0) -> dict[str, np.ndarray]:
    """What each language's jack gives while these languages speak and the others are silent."""
    routes = [Route(route.device, route.target, route.channel, gain_db) for route in ROUTES]
    devices = {"hall": FakeOutput(channels=2), "lobby": FakeOutput()}
    desk = Desk(devices, routes=routes, known=list(TONES_HZ), new_decoder=OpusDecoder, max_dbfs=CEILING_DBFS)
    desk.line_out.select(list(TONES_HZ))
    for language in TONES_HZ:
        desk.track(language, packets[language if language in languages else "silence"], frames=len(packets["es"]))
    desk.play(round(100 * SECONDS))
    hall, lobby = desk.heard("hall"), desk.heard("lobby")
    return {"es": hall[:, 0][STEADY], "fr": hall[:, 1][STEADY], "de": lobby[STEADY]}


def rms_db(samples: np.ndarray) -> float:
    """Over that of the tones as they were spoken."""
    return float(20 * np.log10(max(np.sqrt(np.mean(samples**2)), 1e-9) / (PEAK / np.sqrt(2))))


def test_each_is_heard_at_unity_gain_and_is_the_tone_that_was_spoken(packets):
    jacks = heard(packets, *TONES_HZ)
    for language, tone_hz in TONES_HZ.items():
        assert abs(rms_db(jacks[language])) < 1.0, language
        spectrum = np.abs(np.fft.rfft(jacks[language] * np.hanning(len(jacks[language]))))
        assert np.argmax(spectrum) * RATE_HZ / len(jacks[language]) == pytest.approx(tone_hz, abs=3)


@pytest.mark.parametrize("alone", TONES_HZ)
def test_none_leaks_into_another_above_60_db(packets, alone):
    jacks = heard(packets, alone)
    assert abs(rms_db(jacks[alone])) < 1.0
    for other in TONES_HZ.keys() - {alone}:
        assert rms_db(jacks[other]) < -60, (alone, other)


def test_the_gain_of_a_route_is_what_it_says_and_the_ceiling_holds(packets):
    unity, louder = heard(packets, "es"), heard(packets, "es", gain_db=6.0)
    assert rms_db(louder["es"]) - rms_db(unity["es"]) == pytest.approx(6.0, abs=0.1)
    far_too_loud = heard(packets, *TONES_HZ, gain_db=20.0)
    for jack in far_too_loud.values():
        assert 0.99 * CEILING < np.abs(jack).max() <= CEILING
