"""A test tone on line-out, in the time of fake cards."""

import numpy as np
import pytest

from service.core.routes import Route
from service.sound.tone import Tone
from tests.fakes.desk import Desk, roughness
from tests.fakes.sound import FakeOutput

TONE = Tone(hz=1000, level_dbfs=-20, seconds=0.2)


def stereo() -> Desk:
    return Desk({"card": FakeOutput(channels=2), "other": FakeOutput()}, routes=[Route("card")])


def sides(desk, periods):
    return np.abs(desk.play(periods).reshape(-1, 2)).max(axis=0)


@pytest.mark.parametrize(("channel", "expected"), [("both", (0.1, 0.1)), ("left", (0.1, 0.0)), ("right", (0.0, 0.1))])
def test_a_tone_is_heard_where_it_was_asked_for_and_nowhere_else(channel, expected):
    desk = stereo()
    desk.play(5)
    desk.line_out.tone(Tone(hz=1000, level_dbfs=-20, seconds=0.2, channel=channel), device="card")
    assert sides(desk, 20) == pytest.approx(expected, abs=1e-3)
    assert not sides(desk, 5).any() and not desk.heard("other").any()


def test_without_a_device_it_is_heard_on_all():
    desk = stereo()
    desk.play(5)
    desk.line_out.tone(TONE)
    desk.play(10)
    assert np.abs(desk.heard("card")).max() == pytest.approx(np.abs(desk.heard("other")).max())


@pytest.mark.parametrize("then", [None, Tone(hz=700, level_dbfs=-20, seconds=0.2, channel="left")])
def test_another_takes_its_place_without_a_click(then):
    desk = stereo()
    desk.play(5)
    desk.line_out.tone(TONE)
    desk.play(7)
    desk.line_out.tone(then)
    desk.play(10)
    steady = (2 * np.pi * 1000 / 48000) ** 2 * 0.1
    assert roughness(desk.heard("card").reshape(-1, 2)) < 1.2 * steady + 1e-4
    assert sides(desk, 5) == pytest.approx((0.1, 0.0) if then else (0.0, 0.0), abs=1e-3)


def test_it_is_added_to_what_is_heard_and_held_under_the_ceiling():
    desk = stereo()
    desk.track("es", "0.5")
    desk.line_out.select(["es"])
    desk.play(20)
    desk.line_out.tone(Tone(hz=1000, level_dbfs=-6, seconds=1), device="card")
    assert desk.play(20).max() == pytest.approx(1.0, abs=0.03)
    assert desk.play(50).min() < 0.1


def test_what_is_asked_for_while_there_is_no_card_is_not_heard_later():
    desk = stereo()
    toner = desk.line_out.cards["card"].toner
    toner.play(TONE)
    toner.begin(2)
    assert toner.pieces(0.0) == []
