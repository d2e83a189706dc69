"""The floor among a real board and a line-out that remembers."""

import asyncio

import pytest

from service.board import Board
from service.core.captions import Caption
from service.core.floor import FloorRules, Programme
from service.core.languages import LanguagePair
from service.core.phase import Phase
from service.fallback import Fallback
from tests.fakes.virtual_time import run

BOTH = LanguagePair("EN to ES and FR", "en", ("es", "fr"))
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


def told(story, **rules):
    """What was played when, in a story of a box that is LIVE, as told to a Fallback."""

    line_out = LineOut()

    async def tell():
        board, clock = Board(), asyncio.get_running_loop().time
        line_out.began_s = clock()
        board.update(phase=Phase.LIVE, wanted=BOTH, confirmed=BOTH)
        fallback = Fallback(
            board=board, rules=FloorRules(**rules), phase=lambda: board.status.phase, line_out=line_out, clock=clock
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
