"""A daemon whose clock is wrong, or set by decades while it is live; seen from outside."""

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.certificates import Authority
from tests.fakes.processes import Box, box, credentials, sandbox, settings_for, until
from tests.fakes.set_clock import SettableClock, needs_gcc
from tests.fakes.speech import PHRASES, sentences
from tests.fakes.tls import behind_tls

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


def test_a_clock_that_is_years_late_is_named_and_the_box_is_live_as_soon_as_it_is_set(tmp_path, talk):
    clock, authority = SettableClock(tmp_path), Authority(tmp_path)
    clock.set(-3 * YEARS_S)
    (tmp_path / "authority.pem").write_text(authority.pem)
    waits = '\n[time]\nwait_for_sync = "3s"'
    with sandbox(tmp_path) as world, behind_tls(world.url, authority) as url:
        settings = settings_for(tmp_path, url, line_in=str(talk), extra=ALWAYS + waits)
        environ = {**credentials(world), **clock.environ, "SSL_CERT_FILE": str(tmp_path / "authority.pem")}
        with box(tmp_path, settings, environ=environ) as one:
            assert one.until("creating")["waiting_for_clock"]  # older than the file of the program
            picture = one.until("waiting")
            assert "the clock was not set within 3 s" in one.log.read_text()
            assert (picture["fault"]["code"], picture["waiting_for_clock"], picture["network"]) == (6, True, True)
            assert "is the clock right?" in picture["fault"]["detail"]
            assert picture["lamps"] | {"link": "fast", "live": "off", "alert": "slow"} == picture["lamps"]
            until(lambda: one.log.read_text().count("again in") >= 1, "a try")
            clock.set(0)
            picture = one.until("live", 10)
            assert not picture["waiting_for_clock"]
            assert one.stop()[0] == 0
        assert world.sessions() == []
