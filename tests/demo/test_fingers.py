import asyncio

from service.core import gestures as grammar
from service.demo.fingers import KEYS, Fingers
from service.demo.script import CHORD_S, GESTURES, HOLD_S, TAP_S
from tests.fakes.virtual_time import run


class Pin:
    def __init__(self) -> None:
        self.edges: list[tuple[float, str]] = []

    def drive_low(self) -> None:
        self.edges.append((round(asyncio.get_running_loop().time() - 1000, 3), "low"))

    def drive_high(self) -> None:
        self.edges.append((round(asyncio.get_running_loop().time() - 1000, 3), "high"))


def test_words_are_taps_and_holds_of_their_pins():
    async def story():
        lang, live = Pin(), Pin()
        fingers = Fingers({"lang": lang, "live": live})
        fingers.press("lang")
        fingers.press("live-hold")
        await asyncio.sleep(2)
        assert lang.edges == [(0.0, "low"), (TAP_S, "high")]
        assert live.edges == [(0.0, "low"), (HOLD_S, "high")]

    run(story())


def test_both_are_held_together_for_long_enough():
    async def story():
        lang, live = Pin(), Pin()
        Fingers({"lang": lang, "live": live}).press("both-hold")
        await asyncio.sleep(4)
        assert lang.edges == live.edges == [(0.0, "low"), (CHORD_S, "high")]

    run(story())


def test_the_keys_make_every_gesture_of_the_grammar():
    assert sorted(KEYS.values()) == sorted(GESTURES)
    assert TAP_S < grammar.TAP_S and HOLD_S > grammar.HOLD_S and CHORD_S > grammar.CHORD_S
