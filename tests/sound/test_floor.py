"""The speaker's own sound in line-out, beside fake tracks: the floor is 0.1 all the while, the translation 0.25."""

import numpy as np
import pytest

from service.core.floor import Programme
from service.core.routes import Route
from tests.fakes.desk import Desk, ToneDecoder, roughness, steady
from tests.fakes.sound import FakeOutput

T, F, S = Programme.TRANSLATION, Programme.FLOOR, Programme.SILENCE


def desk_with_floor(*arguments, **options) -> Desk:
    desk = Desk(*arguments, **options)
    desk.floor_level = 0.1
    desk.track("es", "0.25")
    desk.line_out.select(["es"])
    desk.line_out.play({"es": T})
    desk.play(40)
    return desk


def test_the_floor_takes_the_place_of_a_translation_and_gives_it_back():
    desk = desk_with_floor()
    assert steady(desk.play(5)) == [0.25]
    desk.line_out.play({"es": F})
    fade = desk.play(25)
    assert steady(desk.play(5)) == [0.1]
    desk.line_out.play({"es": T})
    back = desk.play(25)
    assert steady(desk.play(5)) == [0.25]
    for crossfade in (fade, back):
        assert crossfade.max() < 0.26  # never both at full level
        assert crossfade.min() > 0.09
        assert 0.2 < np.mean((crossfade > 0.101) & (crossfade < 0.249)) * 0.25 < 0.3  # 250 ms ± 50


def test_silence_is_silence_and_the_floor_needs_no_session():
    desk = desk_with_floor()
    desk.line_out.play({"es": S})
    desk.play(26)
    assert steady(desk.play(5)) == [0.0]
    desk.line_out.clear()
    desk.line_out.play({"es": F})
    desk.play(26)
    assert steady(desk.play(5)) == [0.1]


def test_a_tone_stands_in():
    desk = desk_with_floor()
    desk.line_out.play({"es": Programme.TONE})
    heard = desk.play(500)[13000:]
    assert 0.01 < np.abs(heard).max() < 0.02


def test_each_target_has_its_programme_and_its_place():
    desk = desk_with_floor(
        {"hall": FakeOutput(channels=2), "booth": FakeOutput()},
        routes=[
            Route("hall", target="es", channel="left"),
            Route("hall", target="fr", channel="right", gain_db=-6),
            Route("booth", target="fr"),
        ],
        known=("es", "fr"),
    )
    desk.line_out.select(["es", "fr"])
    desk.line_out.play({"es": T, "fr": F})
    desk.play(30)
    left, right = desk.heard("hall").reshape(-1, 2)[-480:].T
    assert (steady(left), steady(right), steady(desk.heard("booth")[-480:])) == ([0.25], [0.05], [0.1])


def test_the_floor_under_the_translation_is_quieter_and_as_late_as_asked():
    desk = desk_with_floor(under_db=-14.0, under_delay_s=1.0)
    assert steady(desk.play(5)) == [0.25]
    desk.play(80)
    assert steady(desk.play(5)) == [0.27]
    desk.line_out.play({"es": F})
    desk.play(30)
    assert steady(desk.play(5)) == [0.1]


@pytest.mark.parametrize("programme", [F, S, Programme.TONE])
def test_no_change_clicks(programme):
    desk = Desk(new_decoder=ToneDecoder)
    desk.floor_level = 0.1
    desk.track("es", "0")
    desk.line_out.select(["es"])
    desk.line_out.play({"es": T})
    desk.play(40)
    before = roughness(desk.play(20))
    changes = []
    for wanted in (programme, T, programme, F, T):
        desk.line_out.play({"es": wanted})
        changes.append(desk.play(13))  # the next one comes in the middle of the way
    assert roughness(np.concatenate(changes)) < before + 2e-4


def test_it_is_known_when_a_translation_last_had_sound_even_unheard():
    desk = desk_with_floor(known=("es", "fr"))
    desk.line_out.play({"es": F})
    desk.play(10)
    assert desk.line_out.heard_s("es") == pytest.approx(desk.clock(), abs=0.03)
    assert desk.line_out.heard_s("fr") is None
    desk.line_out.clear()
    assert desk.line_out.heard_s("es") is None
