"""What a running box does for those who ask it over the socket, on files and fakes."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from service import settings
from service.board import Board
from service.box import Box
from service.core.errors import SoundCardMissing
from service.core.phase import Phase
from service.core.routes import Route
from service.web.answers import Broken, Refused
from service.web.orders import ToneOrder
from tests.fakes.desk import Desk
from tests.fakes.sound import FakeOutput

ROUTES = [Route("alsa:card=hall", "es", "left"), Route("alsa:card=hall", "fr", "right"), Route("alsa:card=lobby", "de")]


class Room:
    """A box with a hall of two channels and a lobby of one; `heard` is what the last periods were like on each."""

    def __init__(self) -> None:
        self.desk = Desk({"alsa:card=hall": FakeOutput(channels=2), "alsa:card=lobby": FakeOutput()}, routes=ROUTES)
        self.board = Board()
        keys = [{"target": route.target, "device": route.device, "channel": route.channel} for route in ROUTES]
        loaded = settings.Settings.model_validate({"audio": {"output": {"route": keys}}})
        others = ("conductor", "fallback", "capture", "rooms", "sockets", "lamps", "vigil", "memory", "machine")
        parts = {name: SimpleNamespace() for name in others}
        self.box = Box(
            settings=loaded,
            board=self.board,
            line_out=self.desk.line_out,
            feedback=[],
            recording_ended=threading.Event(),
            **parts,
        )
        self.desk.play(5)

    def lose(self, *names: str) -> None:
        for name in names:
            self.desk.line_out.cards[name].playback._thread.fault = SoundCardMissing(f"{name}: gone")

    def heard(self) -> list[float]:
        self.desk.play(10)
        ends = [self.desk.heard(name).reshape(-1, channels)[-4800:] for name, channels in CARDS]
        return [round(float(np.abs(column).max()), 2) for end in ends for column in end.T]


CARDS = [("alsa:card=hall", 2), ("alsa:card=lobby", 1)]
SILENCE = [0.0, 0.0, 0.0]


@pytest.fixture
def room():
    return Room()


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({}, [0.1, 0.1, 0.1]),
        ({"channel": "right"}, [0.0, 0.1, 0.1]),
        ({"route": 1}, [0.1, 0.0, 0.0]),
        ({"route": 2}, [0.0, 0.1, 0.0]),
        ({"route": 3}, [0.0, 0.0, 0.1]),
        ({"route": 1, "channel": "both"}, [0.1, 0.1, 0.0]),
        ({"level_dbfs": -6.0}, [0.5, 0.5, 0.5]),
    ],
)
def test_a_tone_is_heard_where_it_is_asked_for(room, order, expected):
    room.box.tone(ToneOrder(**order))
    assert room.heard() == expected


def test_a_tone_of_no_length_ends_the_one_that_sounds(room):
    room.box.tone(ToneOrder())
    room.heard()
    room.box.tone(ToneOrder(seconds=0))
    room.desk.play(5)
    assert room.heard() == SILENCE


def test_a_route_that_is_not_there_is_refused(room):
    with pytest.raises(Refused, match="^route: there is none of number 4; the last one is 3$"):
        room.box.tone(ToneOrder(route=4))


def test_over_a_translation_only_by_force(room):
    room.board.update(phase=Phase.LIVE)
    with pytest.raises(Refused, match="on air"):
        room.box.tone(ToneOrder())
    assert room.heard() == SILENCE
    room.box.tone(ToneOrder(force=True))
    assert room.heard() != SILENCE
    room.box.tone(ToneOrder(seconds=0))
    room.board.update(phase=Phase.PAUSED)
    room.box.tone(ToneOrder())


def test_nobody_waits_for_a_tone_that_cannot_be_heard(room):
    room.lose("alsa:card=lobby")
    room.box.tone(ToneOrder())  # the hall hears it
    with pytest.raises(Broken, match="^alsa:card=lobby: gone$"):
        room.box.tone(ToneOrder(route=3))
    room.board.update(muted=True)
    with pytest.raises(Refused, match="muted"):
        room.box.tone(ToneOrder(force=True))
