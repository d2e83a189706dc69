"""Line-out of several cards."""

from service.core.errors import SoundCardLost
from service.core.routes import Route
from tests.fakes.desk import Desk, steady
from tests.fakes.sound import FakeOutput

ROUTES = [Route("hall", "es", "left"), Route("hall", "fr", "right"), Route("lobby", "de"), Route("booth", "es")]


def hall() -> Desk:
    devices = {"hall": FakeOutput(channels=2), "lobby": FakeOutput(), "booth": FakeOutput()}
    desk = Desk(devices, routes=ROUTES, known=["es", "fr", "de"])
    for language, value in (("es", "0.25"), ("fr", "0.5"), ("de", "0.75")):
        desk.track(language, value)
    return desk


def last(desk: Desk, name: str) -> list[list[float]]:
    samples = desk.heard(name)[-480:].reshape(480, -1)
    return [steady(row) for row in samples.T]


def test_each_target_is_heard_where_its_route_says_also_on_two_cards():
    desk = hall()
    desk.line_out.select(["es", "fr", "de"])
    desk.play(20)
    assert last(desk, "hall") == [[0.25], [0.5]]
    assert last(desk, "lobby") == [[0.75]]
    assert last(desk, "booth") == [[0.25]]
    assert desk.line_out.level == desk.line_out.cards["lobby"].playback.levels[0]


def test_mute_and_clear_reach_every_card():
    desk = hall()
    desk.line_out.select(["es", "fr", "de"])
    desk.play(20)
    desk.line_out.mute(True)
    desk.play(2)
    assert last(desk, "hall") + last(desk, "lobby") + last(desk, "booth") == [[0.0]] * 4
    desk.line_out.mute(False)
    desk.line_out.clear()
    desk.play(5)
    assert last(desk, "hall") + last(desk, "lobby") + last(desk, "booth") == [[0.0]] * 4


def test_a_packet_for_two_cards_counts_on_each():
    desk = hall()
    desk.play(20)
    assert desk.line_out.cards["lobby"].tracks.frames["received"] == 10
    assert desk.line_out.frames["received"] == 40


def test_a_lost_card_is_told_and_the_slowest_heartbeat_counts():
    desk = hall()
    desk.play(3)
    cards = {name: card.playback for name, card in desk.line_out.cards.items()}
    cards["lobby"]._thread.fault = SoundCardLost("lobby: gone")
    assert [str(fault) for fault in desk.line_out.faults] == ["lobby: gone"]
    assert not desk.line_out.dead
    cards["booth"]._thread._moved_s = 7.0
    assert desk.line_out.last_period_s == 7.0
    cards["hall"].xruns, cards["booth"].xruns = 2, 3
    assert desk.line_out.xruns == 5
    assert desk.line_out.last_voice_s is None
    cards["hall"].last_voice_s = 5.0
    assert desk.line_out.last_voice_s == 5.0
    for playback in cards.values():
        playback._thread.fault = SoundCardLost("gone")
    assert desk.line_out.dead
