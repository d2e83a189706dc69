"""What is said at the end of a pause, by a whole box and a sandbox, both of them processes."""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.speech import PHRASES, sentences
from tests.quirks.running import Box, Stage

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


async def heard_around_pauses(stage: Stage, talk: Path, *, pre_roll: str) -> tuple[list[str], float]:
    """What the sandbox understood, once the speaker has said all, and how far the box fell behind."""
    sandbox = await stage.sandbox("resume-delay=1.5")
    credentials = {"api_key": sandbox["api_key"]}
    async with stage.box(sandbox["url"], credentials, pairs=PAIR, line_in=talk, pre_roll=pre_roll, buttons=True) as box:
        await box.until(phase="live")
        live_s = asyncio.get_running_loop().time()
        looking = asyncio.create_task(most_behind_s(box))
        for press_s in PRESSES_S:
            await asyncio.sleep(live_s + press_s - asyncio.get_running_loop().time())
            await box.process.type("live")
        behind_s = await looking
        captions = [line.partition("caption en: ")[2] for line in box.log.splitlines() if "caption en: " in line]
        return captions, behind_s


async def most_behind_s(box: Box) -> float:
    """The longest backlog while the speaker says all."""
    seen_s = [0.0]
    async with asyncio.timeout(60):
        for _ in range(280):
            picture = await box.picture()
            seen_s.append(picture["devices"]["input"]["backlog_s"] if picture else 0.0)
            await asyncio.sleep(0.1)
    assert seen_s[-1] == 0.0
    return max(seen_s)


async def test_what_is_said_at_the_tap_or_just_before_is_translated_whole(stage, talk):
    heard, behind_s = await heard_around_pauses(stage, talk, pre_roll="2.5s")
    assert heard == [PHRASES[number] for number in (WELCOME, SEATS, QUESTIONS)]
    assert 0.5 < behind_s < 5.0


async def test_without_a_pre_roll_it_is_not(stage, talk):
    heard, behind_s = await heard_around_pauses(stage, talk, pre_roll="0s")
    assert heard[0] == PHRASES[WELCOME] and not {PHRASES[SEATS], PHRASES[QUESTIONS]} & set(heard)
    assert behind_s == 0.0


async def test_a_silence_is_not_paid_for_and_the_word_after_it_is_whole(stage, tmp_path):
    sound = np.random.default_rng(0).normal(0, 5, 30 * RATE).astype("<i2")
    for number, at_s in ((WELCOME, 0.5), (QUESTIONS, 20.0)):
        sentence = np.frombuffer(sentences()[number], "<i2")
        sound[round(at_s * RATE) :][: len(sentence)] += sentence
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    sandbox = await stage.sandbox("resume-delay=1.5")
    credentials = {"api_key": sandbox["api_key"]}
    line_in = tmp_path / "talk.wav"
    async with stage.box(
        sandbox["url"], credentials, pairs=PAIR, line_in=line_in, buttons=True, IDLE_PAUSE_AFTER_S="5"
    ) as box:
        live = await box.until(phase="live")
        await box.until(phase="paused", idle=True)
        paid_s = (await box.picture())["paid_s"]["session"]
        await asyncio.sleep(4)
        quiet = await box.picture()
        assert quiet["phase"] == "paused" and quiet["paid_s"]["session"] == paid_s > live["paid_s"]["session"]
        await box.until(phase="live", idle=False)
        await box.said(f"caption en: {PHRASES[QUESTIONS]}")
        captions = [line.partition("caption en: ")[2] for line in box.log.splitlines() if "caption en: " in line]
        assert captions == [PHRASES[WELCOME], PHRASES[QUESTIONS]]
