"""A daemon that is live while somebody sets the clock by thirty years, and back; seen from outside."""

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.processes import Box, box, credentials, sandbox, settings_for, until
from tests.fakes.set_clock import SettableClock, needs_gcc
from tests.fakes.speech import PHRASES, sentences

pytestmark = [pytest.mark.slow, needs_gcc]

YEARS_S = 365 * 86400

RATE = 48_000
EVERY_S = 6
ALWAYS = '[box]\nautostart = "always"\n[log]\ncaptions = true'


@pytest.fixture
def talk(tmp_path) -> Path:
    """The same phrase every six seconds for two minutes."""
    period = np.zeros(EVERY_S * RATE, "<i2")
    sentence = np.frombuffer(sentences()[0], "<i2")
    period[: len(sentence)] = sentence
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(period.tobytes() * 20)
    return tmp_path / "talk.wav"


def phrases(one: Box) -> int:
    return one.log.read_text().count(f"caption validated_transcription en: {PHRASES[0]}")


def stepped(one: Box, steps: int) -> None:
    """The box has noticed that step, and is heard as before."""
    heard, played = phrases(one), one.status()["frames"]["played"]
    until(lambda: one.log.read_text().count("the clock was set by") == steps, f"step {steps}")
    until(lambda: phrases(one) >= heard + 2, f"two phrases after step {steps}", 30)
    picture = one.status()
    assert picture["phase"] == "live" and picture["frames"]["played"] > played


def test_steps_of_thirty_years_are_not_heard(tmp_path, talk):
    clock = SettableClock(tmp_path)
    with sandbox(tmp_path) as world:
        settings = settings_for(tmp_path, world.url, line_in=str(talk), extra=ALWAYS)
        with box(tmp_path, settings, environ={**credentials(world), **clock.environ}) as one:
            one.until("live")
            for steps, years in enumerate((30, -20, 0), 1):
                clock.set(years * YEARS_S)
                stepped(one, steps)
            assert "no translation for" not in one.log.read_text()
            assert one.log.read_text().count("-> LIVE") == 1
            assert one.stop()[0] == 0
        seen = world.seen()
        assert (seen.count("created"), seen.count("joined"), seen.count("set_task")) == (1, 1, 1), seen
        assert seen.index("end_task") < seen.index("left") < seen.index("deleted") and world.sessions() == []
