"""The floor among a real board and a line-out that remembers."""

import asyncio
import signal
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from service.board import Board
from service.core.captions import Caption
from service.core.floor import FloorRules, Programme
from service.core.languages import LanguagePair
from service.core.phase import Phase
from service.core.routes import Route
from service.demo.desk import bundled_recording
from service.fallback import Fallback
from tests.fakes.processes import box, credentials, sandbox, settings_for, until
from tests.fakes.virtual_time import run

BOTH = LanguagePair("EN to ES and FR", "en", ("es", "fr"))
ROUTES = [Route("a", "es"), Route("b", "fr")]
T, F = Programme.TRANSLATION, Programme.FLOOR


class LineOut:
    """Remembers each change, and when."""

    def __init__(self):
        self.heard, self.played = {}, []

    def heard_s(self, target):
        return self.heard.get(target)

    def play(self, programmes):
        if not self.played or self.played[-1][1] != programmes:
            self.played.append((round(asyncio.get_running_loop().time() - self.began_s, 1), dict(programmes)))


def told(story, *, routes=ROUTES, **rules):
    """What was played when, in a story of a box that is LIVE, as told to a Fallback."""

    line_out = LineOut()

    async def tell():
        board, clock = Board(), asyncio.get_running_loop().time
        line_out.began_s = clock()
        board.update(phase=Phase.LIVE, wanted=BOTH, confirmed=BOTH)
        fallback = Fallback(
            board=board,
            rules=FloorRules(**rules),
            routes=routes,
            phase=lambda: board.status.phase,
            line_out=line_out,
            clock=clock,
        )
        running = asyncio.ensure_future(fallback.run())
        await asyncio.sleep(0.01)
        await story(board, fallback, line_out)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(tell())
    return line_out.played


def caption(kind):
    return Caption(line=("1", "en", None, False), kind=kind, language="en", text="Good morning.", final=True)


def test_each_target_that_is_not_heard_after_a_transcription_gets_the_floor():
    async def story(board, fallback, line_out):
        fallback.caption(caption("validated_transcription"))
        await asyncio.sleep(1)
        line_out.heard["fr"] = asyncio.get_running_loop().time()
        await asyncio.sleep(9)
        assert board.status.fallback

    (_, first), (at_s, then) = told(story)
    assert (first, then) == ({"es": T, "fr": T}, {"es": F, "fr": T})
    assert at_s == pytest.approx(6.1, abs=0.15)


def test_what_goes_nowhere_is_not_missed():
    async def story(board, fallback, line_out):
        fallback.caption(caption("validated_transcription"))
        await asyncio.sleep(10)
        assert not board.status.fallback

    assert told(story, routes=[Route("a", "de")]) == [(0, {})]


@pytest.mark.parametrize("kind", ["partial_transcription", "translated_transcription"])
def test_only_a_validated_transcription_asks_for_sound(kind):
    async def story(board, fallback, line_out):
        fallback.caption(caption(kind))
        await asyncio.sleep(60)

    assert len(told(story)) == 1


def test_a_person_need_not_wait_for_the_next_look():
    async def story(board, fallback, line_out):
        board.update(floor_chosen=True)
        assert line_out.played[-1][1] == {"es": F, "fr": F}
        board.update(floor_chosen=False)
        assert line_out.played[-1][1] == {"es": T, "fr": T}
        assert not board.status.fallback

    told(story)


def test_the_board_shows_a_lost_link_s_fallback_until_it_is_over():
    async def story(board, fallback, line_out):
        board.update(phase=Phase.WAITING)
        await asyncio.sleep(10)
        assert board.status.fallback
        board.update(phase=Phase.LIVE)
        await asyncio.sleep(4)
        assert not board.status.fallback

    told(story)


# -- as a listener hears it ------------------------------------------------------------------------------------------

RULES = """
[box]
autostart = "always"
[fallback]
after = "2s"
return_after = "1s"
"""


def whistle(path: Path, seconds: float) -> Path:
    """A line-in whose every sample is known: 1 kHz at -20 dBFS."""
    steps = np.arange(round(seconds * 48_000))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes((3276.7 * np.sin(2 * np.pi * 1000 * steps / 48_000)).astype("<i2").tobytes())
    return path


def whistled_db(folder: Path, seconds: float) -> float:
    """How loud the whistle is in the last so many seconds of line-out, relative to line-in."""
    with wave.open(str(folder / "line-out.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")[-round(seconds * 48_000) :] / 3276.7
    turns = np.exp(-2j * np.pi * 1000 * np.arange(len(sound)) / 48_000)
    return float(20 * np.log10(max(1e-6, 2 * abs(np.mean(sound * turns)))))


@pytest.mark.slow
def test_the_floor_is_heard_while_the_cloud_is_gone_and_no_longer_than_that(tmp_path):
    with sandbox(tmp_path) as cloud:
        text = settings_for(tmp_path, cloud.url, line_in=str(whistle(tmp_path / "in.wav", 120)), extra=RULES)
        with box(tmp_path, text, environ=credentials(cloud)) as one:
            one.until("live")
            time.sleep(1.5)  # the header of line-out is a second old at most
            assert whistled_db(tmp_path, 0.5) < -40
            cloud.stop(signal.SIGKILL)
            until(lambda: one.status()["floor"]["fallback"], "the fallback")
            until(lambda: abs(whistled_db(tmp_path, 0.2)) < 1.0, "the floor at unity gain")
            cloud.start()
            one.until("live", 60)
            until(lambda: not one.status()["floor"]["fallback"], "the end of the fallback")
            until(lambda: whistled_db(tmp_path, 0.2) < -40, "the translation's turn")
            assert one.stop()[0] == 0


@pytest.mark.slow
def test_the_floor_is_heard_when_a_translation_is_told_and_not_spoken(tmp_path):
    with sandbox(tmp_path, "--fault", "voiceless") as cloud:
        text = settings_for(tmp_path, cloud.url, line_in=bundled_recording().removeprefix("wav:"), extra=RULES)
        with box(tmp_path, text, environ=credentials(cloud)) as one:
            one.until("live")
            picture = until(lambda: (now := one.status())["floor"]["fallback"] and now, "the fallback", 30)
            assert (picture["phase"], picture["lamps"]["live"], picture["lamps"]["alert"]) == ("live", "off", "slow")
            assert one.stop()[0] == 0
