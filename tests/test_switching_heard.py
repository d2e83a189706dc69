"""LANG with switching = "instant", by a whole box and a sandbox, both of them processes: what comes out of line-out."""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from service.sandbox.phrases import load_phrases
from tests.fakes import listening
from tests.fakes.speech import SPOKEN, needs_espeak, sentences
from tests.quirks.running import Stage

pytestmark = [pytest.mark.slow, needs_espeak]

RATE = 48_000
PAIRS = "\n".join(
    f'[[pair]]\nname = "EN to {code}"\nsource = "en"\ntarget = "{code}"\ndesired_queue_level = "{level}s"'
    for code, level in (("es", 4), ("fr", 6))
)
WELCOME, SEATS = 0, 1
BEGINS_S = {WELCOME: 1.0, SEATS: 11.0}
PRESS_S, END_S = 9.5, 20.0  # after the start of the talk, when the first sentence has been translated
SURE, DOUBTFUL = 0.62, 0.55  # a text that is there scores 0.7 to 0.95, any other 0.5 at most
BOOK = load_phrases()


def talk(folder: Path) -> Path:
    sound = np.random.default_rng(0).normal(0, 5, 30 * RATE).astype("<i2")
    for number, at_s in BEGINS_S.items():
        sentence = np.frombuffer(sentences()[number], "<i2")
        sound[round(at_s * RATE) :][: len(sentence)] += sentence
    with wave.open(str(folder / "talk.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    return folder / "talk.wav"


async def test_the_other_language_is_there_at_once_and_the_cloud_is_asked_for_nothing(tmp_path):
    stage = Stage(tmp_path)
    await stage.open()
    try:
        sandbox = await stage.sandbox()
        box_of = {"pairs": PAIRS, "line_in": talk(tmp_path), "buttons": True, "session": 'switching = "instant"'}
        async with stage.box(sandbox["url"], {"api_key": sandbox["api_key"]}, **box_of) as box:
            await box.until(phase="live", wanted="EN to es", confirmed="EN to es")
            await asyncio.sleep(PRESS_S)
            await box.process.type("lang")
            seen = await box.until(lambda picture: picture["wanted"] == "EN to fr")
            assert (seen["confirmed"], seen["refusal"]) == ("EN to fr", None), "wanted and confirmed are one step"
            await asyncio.sleep(END_S - PRESS_S)
        assert box.log.count("caption es: ") == box.log.count("caption fr: ") == 2, box.log  # all the time
    finally:
        await stage.close()
    (line_out,) = tmp_path.glob("*-box.wav")
    sound = listening.load(line_out)

    def likeness(number: int, language: str) -> float:
        return listening.likeness(sound, BOOK.translate(SPOKEN[number][2], language), language)[0]

    scores = {(number, code): likeness(number, code) for number in BEGINS_S for code in ("es", "fr")}
    assert min(scores[WELCOME, "es"], scores[SEATS, "fr"]) > SURE, scores
    assert max(scores[WELCOME, "fr"], scores[SEATS, "es"]) < DOUBTFUL, scores
