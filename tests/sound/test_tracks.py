"""What one card plays of the translations."""

import numpy as np
import pytest

from service.core.audio import RATE_HZ
from service.core.routes import Route
from tests.fakes.desk import Desk, ToneDecoder, roughness, steady
from tests.fakes.sound import FakeOutput

TONE = 0.5 * (2 * np.pi * 440 / RATE_HZ) ** 2


def test_nothing_is_heard_before_a_target_is_selected_and_then_only_that():
    desk = Desk()
    desk.track("es", "0.25")
    desk.track("fr", "0.5")
    assert steady(desk.play(10)) == [0.0]
    desk.line_out.select(["fr"])
    desk.play(3)
    assert steady(desk.play(4)) == [0.5]
    desk.line_out.select(["es"])
    desk.play(3)
    assert steady(desk.play(4)) == [0.25]


def test_without_a_route_of_its_own_the_first_target_is_heard_and_no_other():
    desk = Desk()
    desk.track("fr", "0.5")
    desk.track("es", "0.25")
    desk.line_out.select(["es", "fr"])
    desk.play(12)
    assert steady(desk.play(4)) == [0.25]


def test_a_target_is_heard_from_the_track_of_its_base_language():
    desk = Desk()
    desk.track("zh-hans", "0.25")
    desk.track("en", "0.5")
    desk.line_out.select(["zh"])
    desk.play(12)
    assert steady(desk.play(4)) == [0.25]


def test_a_language_that_gets_a_new_track_is_heard_from_that():
    desk = Desk()
    desk.line_out.select(["es"])
    desk.track("es", "0.25")
    desk.play(12)
    desk.track("es", "0.5")
    desk.play(12)
    assert steady(desk.play(4)) == [0.5]


def test_each_target_is_heard_on_its_channel_at_its_gain():
    routes = [Route("card", "es", "left"), Route("card", "fr", "right", gain_db=-6.0206)]
    desk = Desk({"card": FakeOutput(channels=2)}, routes=routes, known=["es", "fr", "de"])
    for language, value in (("es", "0.25"), ("fr", "0.5"), ("de", "0.9")):
        desk.track(language, value)
    desk.line_out.select(["es", "fr"])
    desk.play(12)
    left, right = desk.play(4).T
    assert (steady(left), steady(right)) == ([0.25], [0.25])
    desk.line_out.select(["de", "fr"])
    desk.play(3)
    left, right = desk.play(4).T
    assert (steady(left), steady(right)) == ([0.0], [0.25])


def test_what_no_route_can_ever_take_is_not_decoded():
    desk = Desk(routes=[Route("card", "es")], known=["es", "fr"])
    assert desk.line_out.sink("fr") is None
    assert desk.line_out.sink("es-mx") and desk.line_out.sink("qq")
    assert Desk(known=["es", "fr"]).line_out.sink("fr")


def test_what_came_while_the_card_was_lost_is_not_heard_later():
    desk = Desk()
    desk.line_out.select(["es"])
    desk.track("es", "0.25", frames=100)
    desk.play(20)
    for _ in range(150):
        desk.clock.sleep(0.020)
        desk.arrive()
    heard = desk.play(40)
    assert np.abs(heard[960:]).max() == 0.0
    assert desk.line_out.frames["dropped"] > 80


def test_after_clear_there_is_silence_and_the_counters_stay():
    desk = Desk()
    desk.track("es", "0.25", frames=10)
    desk.line_out.select(["es"])
    desk.play(20)
    before = desk.line_out.frames
    desk.line_out.clear()
    desk.play(3)
    assert steady(desk.play(2)) == [0.0]
    after = desk.line_out.frames
    assert before["received"] == after["received"] == 10
    assert after["played"] >= before["played"] > 0
    assert set(after) == {"received", "played", "concealed", "late", "dropped"}


def test_what_has_faded_is_forgotten_and_so_is_what_left_while_there_was_no_card():
    desk = Desk()
    tracks = desk.line_out.cards["card"].tracks
    desk.line_out.select(["es"])
    for _ in range(100):
        desk.track("es", "0.25", frames=1)
        desk.arrive()
    assert len(tracks._leaving) == 1
    desk.play(10)
    assert not tracks._leaving
    desk.line_out.clear()
    tracks.begin(2)
    assert not tracks._leaving
    desk.play(5)
    assert desk.line_out.frames["received"] == 100


@pytest.mark.parametrize(
    "happens",
    [
        lambda desk: desk.line_out.select(["fr"]),
        lambda desk: desk.line_out.select([]),
        lambda desk: desk.line_out.clear(),
        lambda desk: desk.track("es", "tone"),
    ],
    ids=["another language", "none", "the end of the session", "a new track"],
)
def test_a_track_that_is_left_does_not_click(happens):
    desk = Desk(new_decoder=ToneDecoder)
    desk.line_out.select(["es"])
    desk.track("es", "tone")
    desk.track("fr", "tone")
    desk.play(12)
    before = desk.play(2)
    happens(desk)
    heard = np.concatenate([before, desk.play(20)])
    assert roughness(heard) <= 1.1 * TONE + 6e-5


def test_it_is_shown_how_each_language_fares():
    desk = Desk(known=("es", "fr"))
    desk.track("es", "0.25")
    assert desk.line_out.cards["card"].tracks.playouts["es"].delay_ms is None
    desk.line_out.select(["es"])
    desk.play(100)
    (state,) = desk.line_out.cards["card"].tracks.playouts.values()
    assert state.target_ms <= state.delay_ms <= state.target_ms + 10
    assert (state.loss_percent, state.counts.late) == (0, 0) and 0 < state.held_packets < 5
    assert state.counts.played == pytest.approx(state.counts.received, abs=5)
