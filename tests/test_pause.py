"""What is said at the end of a pause, by a whole box and a sandbox, both of them processes."""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.speech import PHRASES, sentences
from tests.quirks.running import Stage

pytestmark = pytest.mark.slow

RATE = 48_000
PAIR = '[[pair]]\nname = "ES"\nsource = "en"\ntarget = "es"'
WELCOME, SEATS, QUESTIONS = 0, 1, 4  # phrases of the bundled recording
PRESSES_S = [4.0, 9.0, 16.0, 21.0]  # pause, resume, pause, resume
BEGINS_S = {WELCOME: 0.5, SEATS: 8.0, QUESTIONS: 21.0}  # one a second before the tap, one with it


@pytest.fixture
async def stage(tmp_path):
    one = Stage(tmp_path)
    await one.open()
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture
def talk(tmp_path):
    """A speaker who says little, and that at the wrong moments."""
    sound = np.random.default_rng(0).normal(0, 5, 30 * RATE).astype("<i2")
    for number, at_s in BEGINS_S.items():
        sentence = np.frombuffer(sentences()[number], "<i2")
        sound[round(at_s * RATE) :][: len(sentence)] += sentence
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    return tmp_path / "talk.wav"


async def heard_around_pauses(stage: Stage, talk: Path, *, pre_roll: str, backlog: bool) -> list[str]:
    """What the sandbox understood, once the speaker has said all; `backlog` says whether the box is to fall behind."""
    sandbox = await stage.sandbox("resume-delay=1.5")
    credentials = {"api_key": sandbox["api_key"]}
    async with stage.box(sandbox["url"], credentials, pairs=PAIR, line_in=talk, pre_roll=pre_roll, buttons=True) as box:
        await box.until(phase="live")
        live_s = asyncio.get_running_loop().time()
        for press_s in PRESSES_S:
            await asyncio.sleep(live_s + press_s - asyncio.get_running_loop().time())
            await box.process.type("live")
        await box.until(phase="paused")
        await box.until(lambda picture: (picture["devices"]["input"]["backlog_s"] > 0.5) == backlog, phase="live")
        await asyncio.sleep(6)
        await box.until(lambda picture: picture["devices"]["input"]["backlog_s"] == 0)
        return [line.partition("caption en: ")[2] for line in box.log.splitlines() if "caption en: " in line]


async def test_what_is_said_at_the_tap_or_just_before_is_translated_whole(stage, talk):
    heard = await heard_around_pauses(stage, talk, pre_roll="2.5s", backlog=True)
    assert heard == [PHRASES[number] for number in (WELCOME, SEATS, QUESTIONS)]


async def test_without_a_pre_roll_it_is_not(stage, talk):
    heard = await heard_around_pauses(stage, talk, pre_roll="0s", backlog=False)
    assert heard[0] == PHRASES[WELCOME] and not {PHRASES[SEATS], PHRASES[QUESTIONS]} & set(heard)
