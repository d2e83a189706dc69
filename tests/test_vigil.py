"""Who watches over the sound, on parts that go on or stand still as told."""

import logging

import pytest

from service.core.errors import Cause, FaultCode, LinkLost, SoundCardLost
from service.core.phase import Phase
from service.vigil import Vigil

CARDS = ("alsa:card=hall", "alsa:card=lobby")


class Capture:
    def __init__(self) -> None:
        self.captured = self.looks = 0
        self.last_period_s = 1000.0

    def supervise(self) -> None:
        self.looks += 1


class Playback:
    def __init__(self) -> None:
        self.played, self.played_s = 0, 1000.0
        self.fault: SoundCardLost | None = None


class Card:
    def __init__(self) -> None:
        self.playback = Playback()


class LineOut:
    def __init__(self) -> None:
        self.cards = {name: Card() for name in CARDS}
        self.last_period_s, self.looks = 1000.0, 0

    def supervise(self) -> None:
        self.looks += 1


class Way:
    """Rooms or AudioSockets."""

    def __init__(self) -> None:
        self.packets_sent, self.hears = 0, True
        self.lost: list[LinkLost] = []

    def lose(self, error: LinkLost) -> None:
        self.lost.append(error)


class Watch:
    """A box in which all goes on, but for what is in `still`."""

    def __init__(self) -> None:
        self.now_s, self.phase = 1000.0, Phase.LIVE
        self.capture, self.line_out, self.rooms, self.sockets = Capture(), LineOut(), Way(), Way()
        self.still: set[str] = set()
        self.vigil = Vigil(
            capture=self.capture,
            line_out=self.line_out,
            rooms=self.rooms,
            sockets=self.sockets,
            phase=lambda: self.phase,
            now_s=self.now_s,
        )

    def pass_by(self, duration_s: float) -> None:
        for _ in range(round(duration_s * 10)):
            self.now_s += 0.1
            if "capture" not in self.still:
                self.capture.captured += 5
            if "uplink" not in self.still:
                self.rooms.packets_sent += 5
            for name, card in self.line_out.cards.items():
                if name not in self.still and card.playback.fault is None:
                    card.playback.played += 10
                    card.playback.played_s = self.now_s
            self.capture.last_period_s = self.line_out.last_period_s = self.now_s
            self.vigil.look(self.now_s)

    @property
    def trouble(self) -> str:
        return self.vigil.trouble(self.now_s)


@pytest.fixture
def watch():
    return Watch()


def test_while_all_goes_on_nothing_is_done_but_to_look(watch, caplog):
    watch.pass_by(60.0)
    assert watch.capture.looks == watch.line_out.looks == 600
    assert watch.rooms.lost == watch.sockets.lost == [] and watch.trouble == "" and not caplog.records


def test_an_uplink_that_sends_nothing_is_given_up_and_says_why(watch, caplog):
    caplog.set_level(logging.INFO)
    watch.pass_by(1.0)
    watch.still = {"uplink"}
    watch.pass_by(1.9)
    (loss,) = watch.rooms.lost
    assert (loss.cause, loss.code) == (Cause.BOX, FaultCode.BOX) and watch.sockets.lost == [loss]
    watch.still = set()
    watch.pass_by(0.1)
    assert caplog.messages == ["uplink stands still", "uplink goes on again"]
    watch.pass_by(60.0)
    assert len(watch.rooms.lost) == 1


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.LIVE])
def test_nothing_has_to_be_sent_but_live(watch, phase):
    watch.phase, watch.still = phase, {"uplink"}
    watch.pass_by(60.0)
    assert watch.rooms.lost == [] and watch.trouble == ""


def test_nothing_has_to_be_sent_while_the_cloud_does_not_hear(watch):
    watch.sockets.hears, watch.still = False, {"uplink"}
    watch.pass_by(60.0)
    assert watch.rooms.lost == [] and watch.trouble == ""


@pytest.mark.parametrize(
    ("still", "trouble"),
    [
        ("uplink", "uplink has stood still for 5.0 s"),
        ("capture", "capture has stood still for 5.0 s"),
        (CARDS[1], "playout alsa:card=lobby has stood still for 5.0 s"),
    ],
)
def test_what_its_own_healing_does_not_help_leaves_systemd_hungry(watch, still, trouble):
    watch.pass_by(1.0)
    watch.still = {still}
    watch.pass_by(3.5)
    assert watch.trouble == ""
    watch.pass_by(1.5)
    assert watch.trouble == trouble
    watch.still = set()
    watch.pass_by(0.1)
    assert watch.trouble == ""


@pytest.mark.parametrize("phase", Phase)
def test_capture_and_playout_have_to_go_on_always(watch, phase):
    watch.phase, watch.still = phase, {"capture", *CARDS}
    watch.pass_by(5.0)
    assert all(name in watch.trouble for name in ("capture", *CARDS))


def test_a_card_that_is_lost_plays_nothing_and_that_is_all_right(watch):
    watch.pass_by(1.0)
    watch.line_out.cards[CARDS[0]].playback.fault = SoundCardLost("gone")
    watch.pass_by(60.0)
    assert watch.trouble == "" and watch.vigil.playing(watch.now_s)


def test_threads_whose_hearts_stand_still_are_trouble(watch):
    watch.pass_by(1.0)
    watch.capture.last_period_s -= 2.0
    assert watch.trouble == "the thread of capture gives no sign of life"
    watch.line_out.last_period_s -= 2.0
    assert watch.trouble == "the thread of capture and playout gives no sign of life"


def test_a_watch_that_nobody_keeps_is_trouble(watch):
    watch.pass_by(1.0)
    watch.now_s += 1.6
    assert watch.trouble == "nobody has looked after the sound for 1.6 s"


def test_what_is_not_played_within_a_second_is_not_playing_whoever_looks(watch):
    watch.pass_by(1.0)
    assert watch.vigil.playing(watch.now_s + 0.6)
    assert not watch.vigil.playing(watch.now_s + 0.8)
    watch.still = {CARDS[0]}
    watch.pass_by(0.8)
    assert not watch.vigil.playing(watch.now_s)  # the other one is heard, this one should be
    watch.line_out.cards[CARDS[0]].playback.fault = SoundCardLost("given up")
    assert watch.vigil.playing(watch.now_s)  # a fault says it now
