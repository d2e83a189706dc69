"""What an eye sees: a story full of faults, the lamps on mock pins that it moves, in virtual time.

The eye knows the table that the API gives, and the pins; the board is what it is checked against.
"""

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable

import pytest

from service.board import Board
from service.core import lamp_words
from service.core.commands import Acknowledge, End, Floor, Identify, Mute, Start, Stuck
from service.core.errors import BadSettings, CloudRejected, CloudUnreachable, FaultCode, ServiceError, TaskRefused
from service.core.lamps import LampClass, lamp_class, patterns
from service.core.phase import Phase
from service.core.status import Fault, Status
from service.gpio.lamps import Lamps
from service.gpio.pins import Pins
from tests.fakes.virtual_time import run
from tests.test_conductor import Stage

NUMBERS = {"link": 5, "live": 6, "alert": 13}
UPDATE_S = 0.1  # M11
STEP_S = 0.05  # of which all times of all patterns are multiples
WINDOW_S = 12.0
LONG_S = 20.0  # more than that and the longest round
TABLE = lamp_words.as_json()
CODES = {name for name in TABLE["patterns"] if name.startswith("code-")}
PLAIN = set(TABLE["patterns"]) - CODES


class Film:
    """Mock pins, with their own record of changes in the loop's time, and what the board said meanwhile."""

    def __init__(self, board: Board) -> None:
        self._loop, self._pins = asyncio.get_running_loop(), Pins("mock")
        lamps = Lamps(pins=self._pins, lamps={name: (number, True) for name, number in NUMBERS.items()})
        self.began_s = self._loop.time()
        for number in NUMBERS.values():
            self._pins.pin(number).clear_states()
        self.said: list[tuple[float, Status]] = []

        def show(_: Status, status: Status) -> None:
            if not self.said or patterns(status) != patterns(self.said[-1][1]):
                self.said.append((self._loop.time(), status))
            lamps.show(patterns(status))

        board.watch(show)
        show(board.status, board.status)

    def scenes(self) -> list[tuple[Status, float, float]]:
        """Each status whose face differs from the one before, from when to when."""
        ends_s = [at_s for at_s, _ in self.said[1:]] + [self._loop.time()]
        return [(status, at_s, end_s) for (at_s, status), end_s in zip(self.said, ends_s, strict=True)]

    def look(self, name: str, from_s: float, to_s: float) -> str:
        """The lamp from then to then: a character for every step."""
        at_s, changes = self.began_s, []
        for since_s, lit in self._pins.pin(NUMBERS[name]).states:
            at_s += since_s
            changes.append((at_s, lit))
        seen, moment_s, lit, rest = "", from_s, False, iter([*changes, (math.inf, False)])
        change_s, then = next(rest)
        while moment_s < to_s - 1e-6:
            while change_s <= moment_s + 1e-6:
                lit = then
                change_s, then = next(rest)
            seen += "#" if lit else "."
            moment_s += STEP_S
        return seen


def as_told(name: str, seconds: float) -> str:
    """What the table says that this pattern looks like from its beginning."""
    steps_s = TABLE["patterns"][name]["steps_s"]
    once = "".join(
        "#."[place % 2] * round((1000.0 if step is None else step) / STEP_S) for place, step in enumerate(steps_s)
    )
    return (once * math.ceil(seconds / STEP_S / len(once)))[: round(seconds / STEP_S)]


def read(seen: str) -> str:
    """Which pattern of the table this is."""
    fits = [name for name in TABLE["patterns"] if seen in as_told(name, len(seen) * STEP_S + 7.0)]
    assert len(fits) == 1, (seen, fits)
    return fits[0]


def look_up(seen: dict[str, str]) -> list[str]:
    """What these three patterns mean together, by the table; all that it can be."""
    link, live, alert = seen.values()
    shown = [("code" if alert in CODES else alert), live]
    links = {link, f"on ({link}: no network)", f"{link} (fast: no network)"}
    return [row["means"] for row in TABLE["classes"] if [row["alert"], row["live"]] == shown and row["link"] in links]


def names_of(status: Status) -> dict[str, str]:
    return {name: patterns(status)[name].name for name in NUMBERS}


async def tell_of_work(stage: Stage, hold: Callable[[], Awaitable[None]]) -> None:
    """From the lamp test to what a live box may have."""
    board, world = stage.board, stage.world
    board.update(lamp_test=True)
    await asyncio.sleep(1.0)
    board.update(lamp_test=False)
    await hold()  # READY
    stage.conductor.ask(Identify())
    await asyncio.sleep(9.5)
    stage.conductor.ask(Identify(False))
    world.create_s = LONG_S
    stage.conductor.ask(Start())
    board.update(waiting_for_clock=True)
    await asyncio.sleep(LONG_S / 2)
    board.update(waiting_for_clock=False)
    await hold()  # CONNECTING goes over into LIVE
    await stage.until(Phase.LIVE)
    await hold()
    for command in (Mute(), Floor()):
        stage.conductor.ask(command)
        await hold()
        stage.conductor.ask(command)
    board.update(input_silent=True)
    await hold()
    stage.conductor.ask(Acknowledge())
    await hold()
    stage.conductor.ask(Stuck("lang", True))
    await hold()
    board.update(input_silent=False)
    stage.conductor.ask(Stuck("lang", False))
    board.update(fallback=True)
    await hold()
    board.update(fallback=False)


async def tell_of_trouble(stage: Stage, hold: Callable[[], Awaitable[None]]) -> None:
    """Losses and faults of a live box, and its end."""
    world = stage.world
    world.links[-1].lose()
    await hold()  # SOUND_LOST until the next session is there
    await stage.until(Phase.LIVE)
    world.create_s = 0.0
    world.refuse_create = [CloudUnreachable("no answer") for _ in range(30)]
    world.links[-1].lose()
    await asyncio.sleep(60.0)  # NO_NETWORK, which is a fault after 30 s
    world.refuse_create.clear()
    await stage.until(Phase.LIVE)
    for error in (CloudRejected("no balance"), TaskRefused("no such pair"), BadSettings("a mistake")):
        await fail(stage, error, hold)
    for code in (FaultCode.SOUND_IN, FaultCode.SOUND_OUT):
        stage.conductor.sound(Fault(code, "SoundCardLost", "the card is gone"))
        await hold()
        stage.conductor.ask(Acknowledge())
        await hold()
        stage.conductor.sound(None)
        await stage.until(Phase.LIVE)
    stage.conductor.ask(End())
    await stage.until(Phase.READY)
    stage.conductor.stopping()
    await hold()


async def fail(stage: Stage, error: ServiceError, hold: Callable[[], Awaitable[None]]) -> None:
    stage.world.refuse_create = [error]
    stage.world.links[-1].lose()
    await stage.until(Phase.FAULT)
    await hold()
    stage.conductor.ask(Start())
    await stage.until(Phase.LIVE)


@pytest.fixture(scope="module")
def film():
    films = []

    async def story():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gpiozero.pins.mock.monotonic", asyncio.get_running_loop().time)
            stage = Stage(autostart=False)
            films.append(Film(stage.board))
            for tell in (tell_of_work, tell_of_trouble):
                await tell(stage, lambda: asyncio.sleep(LONG_S))
            films[0].over = films[0].scenes()
            await stage.stop()

    run(story())
    return films[0]


def test_the_story_shows_every_class_and_every_code(film):
    shown = {lamp_class(status) for status, *_ in film.over}
    assert shown == set(LampClass)
    assert {names_of(status)["alert"] for status, *_ in film.over} >= CODES


def test_what_the_pins_do_is_what_the_board_says_a_tenth_of_a_second_later(film):
    for status, from_s, to_s in film.over:
        for name, expected in names_of(status).items():
            seen = film.look(name, from_s + UPDATE_S, to_s)
            assert seen in as_told(expected, to_s - from_s + 7.0), (lamp_class(status), name, seen)


def test_an_eye_that_has_the_table_can_tell_from_the_pins_alone_what_the_box_means(film):
    told = 0
    for status, from_s, to_s in film.over:
        if status.acknowledged is None and to_s - from_s > WINDOW_S + UPDATE_S:
            seen = {name: read(film.look(name, from_s + UPDATE_S, from_s + UPDATE_S + WINDOW_S)) for name in NUMBERS}
            assert look_up(seen) == [lamp_class(status).value], seen
            told += 1
    assert told >= 15


def test_an_alarm_that_was_seen_is_steady_and_its_class_stays(film):
    seen = [names_of(status) for status, *_ in film.over if status.acknowledged is not None]
    assert {names["alert"] for names in seen} == {"on"}
    assert {(names["link"], names["live"]) for names in seen} == {("on", "on"), ("on", "off")}


def test_patterns_on_the_pins_are_told_apart_at_the_worst_phase(film):
    """B6: two lamps side by side for 12 s, whenever each of them began."""
    filmed = {}
    for status, from_s, to_s in film.over:
        for name, pattern in names_of(status).items():
            seen = film.look(name, from_s + UPDATE_S, to_s)
            filmed[pattern] = max(filmed.get(pattern, ""), seen, key=len)
    assert set(filmed) == PLAIN | CODES and len(CODES) == 6
    windows = {pattern: cut(pattern, seen) for pattern, seen in filmed.items()}
    for one, other in [*itertools.combinations(PLAIN, 2), *itertools.product(PLAIN, CODES)]:
        least = min((a ^ b).bit_count() for a in windows[one] for b in windows[other]) / round(WINDOW_S / STEP_S)
        assert least >= (0.25 if other in CODES else 0.5), (one, other, least)


def cut(pattern: str, seen: str) -> set[int]:
    """Every 12 s of it, as bits; its whole round is there."""
    steps = round(WINDOW_S / STEP_S)
    round_s = sum(step or 0.0 for step in TABLE["patterns"][pattern]["steps_s"])
    assert len(seen) >= steps + round(round_s / STEP_S), pattern
    bits = seen.replace("#", "1").replace(".", "0")
    return {int(bits[start : start + steps], 2) for start in range(len(seen) - steps + 1)}
