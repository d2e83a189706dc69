import asyncio

from service.demo.fingers import HOLD_S, TAP_S, Fingers
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
