import itertools
import random

import pytest

from service.core.commands import AcknowledgeOrPrevious, Command, End, Identify, Mute, NextPair, Stuck, ToggleLive
from service.core.gestures import Button, Gestures

LANG, LIVE, MUTE = Button.LANG, Button.LIVE, Button.MUTE
Edge = tuple[Button, bool, float]


def play(edges: list[Edge], *, until_s: float = 60.0) -> list[tuple[float, Command]]:
    """Every command with the moment it came, by a timer that is on time."""
    gestures, came = Gestures(), []
    for button, pressed, at_s in [*edges, (None, False, until_s)]:
        while (wake_s := gestures.wake_at_s()) is not None and wake_s < at_s:
            came += [(wake_s, command) for command in gestures.due(wake_s)]
        if button is not None:
            came += [(at_s, command) for command in gestures.edge(button, pressed, at_s)]
    assert gestures.wake_at_s() is None or edges[-1][1]
    return [(round(at_s, 3), command) for at_s, command in came]


def press(button: Button, from_s: float, to_s: float) -> list[Edge]:
    return [(button, True, from_s), (button, False, to_s)]


@pytest.mark.parametrize(
    ("button", "held_s", "expected"),
    [
        (LANG, 0.1, [(0.1, NextPair())]),
        (LANG, 0.59, [(0.59, NextPair())]),
        (LANG, 0.61, []),
        (LANG, 3.0, [(1.0, AcknowledgeOrPrevious())]),
        (LIVE, 0.1, [(0.1, ToggleLive())]),
        (LIVE, 0.61, []),
        (LIVE, 0.99, []),
        (LIVE, 1.01, [(1.0, End())]),
        (LIVE, 5.0, [(1.0, End())]),
        (MUTE, 0.1, [(0.0, Mute())]),
        (MUTE, 0.49, [(0.0, Mute())]),
        (MUTE, 0.51, [(0.0, Mute()), (0.51, Mute())]),
        (MUTE, 7.0, [(0.0, Mute()), (7.0, Mute())]),
    ],
)
def test_each_button_means_what_the_grammar_says(button, held_s, expected):
    assert play(press(button, 0.0, held_s)) == expected


def test_a_hold_acts_while_the_finger_is_still_there():
    gestures = Gestures()
    assert gestures.edge(LIVE, True, 10.0) == []
    assert gestures.due(10.999) == []
    assert gestures.wake_at_s() == 11.0
    assert gestures.due(11.0) == [End()]
    assert gestures.due(12.0) == []
    assert gestures.wake_at_s() == 40.0  # it may be stuck


def test_a_timer_that_comes_too_late_does_not_make_a_hold_of_a_tap():
    gestures = Gestures()
    gestures.edge(LIVE, True, 0.0)
    assert gestures.edge(LIVE, False, 0.2) == [ToggleLive()]  # both edges read at 5 s, after the loop stood still
    assert gestures.due(5.0) == []


def in_order(*edges: Edge) -> list[Edge]:
    return sorted(edges, key=lambda edge: edge[2])


def test_buttons_do_not_mix():
    assert play(in_order(*press(LANG, 0.0, 0.3), *press(LIVE, 0.31, 1.5), *press(MUTE, 0.2, 0.4))) == [
        *((0.2, Mute()), (0.3, NextPair()), (1.31, End()))
    ]


@pytest.mark.parametrize(
    ("lang", "live", "expected"),
    [
        ((0.0, 3.3), (0.1, 3.2), [(3.1, Identify())]),
        ((0.2, 3.3), (0.1, 9.0), [(3.2, Identify())]),
        ((0.0, 1.5), (0.9, 9.0), []),  # let go before; and neither hold, whoever stays
        ((0.0, 0.3), (0.1, 0.2), []),  # no taps either
        ((0.2, 0.3), (0.0, 5.0), []),
        ((1.5, 5.0), (0.0, 5.0), [(1.0, End()), (4.5, Identify())]),  # the hold was over before
    ],
)
def test_a_chord_identifies_and_means_nothing_else(lang, live, expected):
    assert play(in_order(*press(LANG, *lang), *press(LIVE, *live))) == expected


def some_presses(chance: random.Random) -> list[tuple[float, float]]:
    """From when to when one button is held, one after the other."""
    held, at_s = [], chance.uniform(0.0, 3.0)
    while at_s < 25.0:
        end_s = at_s + chance.choice((0.1, 0.5, 0.8, 1.5, 4.0, 7.0)) * chance.uniform(0.7, 1.3)
        held.append((at_s, end_s))
        at_s = end_s + chance.uniform(0.05, 2.0)
    return held


def meant(mine: list[tuple[float, float]], others: list[tuple[float, float]], button: Button) -> list:
    """What one of the two buttons of the chord means by itself: nothing of what a press does once both are down."""
    tap, hold = {LANG: (NextPair(), AcknowledgeOrPrevious()), LIVE: (ToggleLive(), End())}[button]
    came = []
    for from_s, to_s in mine:
        both_s = min(
            (max(from_s, begin_s) for begin_s, end_s in others if begin_s < to_s and from_s < end_s), default=99
        )
        if to_s - from_s < 0.6 and both_s == 99:
            came.append((to_s, tap))
        elif from_s + 1.0 < min(to_s, both_s):
            came.append((from_s + 1.0, hold))
    return came


@pytest.mark.parametrize("seed", range(200))
def test_whoever_is_down_with_the_other_one_means_nothing_by_itself(seed):
    chance = random.Random(seed)
    lang, live = some_presses(chance), some_presses(chance)
    together = ((max(a, c), min(b, d)) for (a, b), (c, d) in itertools.product(lang, live))
    chords = [(from_s + 3.0, Identify()) for from_s, to_s in together if to_s - from_s > 3.0]
    expected = sorted(meant(lang, live, LANG) + meant(live, lang, LIVE) + chords, key=lambda came: came[0])
    edges = [
        edge for button, held in ((LANG, lang), (LIVE, live)) for times_s in held for edge in press(button, *times_s)
    ]
    assert play(in_order(*edges)) == [(round(at_s, 3), command) for at_s, command in expected]


def test_after_a_chord_both_buttons_work():
    chord = in_order(*press(LANG, 0.0, 3.3), *press(LIVE, 0.1, 3.2))
    later = [*press(LIVE, 4.0, 4.1), *press(LANG, 5.0, 6.5)]
    assert play([*chord, *later]) == [(3.1, Identify()), (4.1, ToggleLive()), (6.0, AcknowledgeOrPrevious())]


@pytest.mark.parametrize(
    ("button", "means"), [(LANG, [(1.0, AcknowledgeOrPrevious())]), (LIVE, [(1.0, End())]), (MUTE, [(0.0, Mute())])]
)
def test_what_is_held_for_half_a_minute_is_stuck_until_it_opens(button, means):
    name = button.value
    assert play(press(button, 0.0, 29.9))[:1] == means and Stuck(name, True) not in dict(play(press(button, 0.0, 29.9)))
    restored = [(45.0, Mute())] if button is MUTE else []
    assert play(press(button, 0.0, 45.0)) == [*means, (30.0, Stuck(name, True)), (45.0, Stuck(name, False)), *restored]


def test_a_stuck_button_does_not_make_chords_of_the_other_ones_taps():
    edges = in_order(*press(LANG, 0.0, 50.0), *press(LIVE, 40.0, 40.2))
    assert (40.2, ToggleLive()) in play(edges)


@pytest.mark.parametrize("button", Button)
def test_what_was_closed_before_the_start_means_nothing_but_may_be_stuck(button):
    gestures = Gestures()
    gestures.found_closed(button, 5.0)
    assert gestures.due(34.9) == []
    assert gestures.due(35.0) == [Stuck(button.value, True)]
    assert gestures.edge(button, False, 36.0) == [Stuck(button.value, False)]
    assert gestures.edge(button, True, 40.0) + gestures.edge(button, False, 40.1) == [
        Mute() if button is MUTE else {LANG: NextPair(), LIVE: ToggleLive()}[button]
    ]


def test_a_touch_shorter_than_its_bouncing_is_one_tap():
    assert play(press(LANG, 0.0, 0.008)) == [(0.03, NextPair())]
    assert play(press(MUTE, 0.0, 0.008)) == [(0.0, Mute())]


def test_what_bounces_within_the_window_is_nothing():
    edges = [(LANG, True, 0.0), (LANG, False, 0.004), (LANG, True, 0.009), (LANG, False, 0.02), (LANG, True, 0.029)]
    assert play([*edges, (LANG, False, 0.3)]) == [(0.3, NextPair())]


@pytest.mark.parametrize("at_s", [0.2, 0.55, 100.0])
@pytest.mark.parametrize("button", Button)
def test_a_release_out_of_nothing_means_nothing(button, at_s):
    """Held since before the start: its press was never seen."""
    assert play([(button, False, at_s), (button, False, at_s + 0.1)], until_s=200.0) == []


def test_doubled_and_disordered_edges_leave_a_button_that_works():
    assert play([(LIVE, True, 5.0), (LIVE, True, 5.8), (LIVE, False, 6.5)]) == [(6.0, End())]
    gestures = Gestures()
    gestures.edge(LIVE, True, 5.0), gestures.edge(LIVE, False, 3.0), gestures.due(10.0)
    assert gestures.edge(LIVE, True, 20.0) + gestures.edge(LIVE, False, 20.1) == [ToggleLive()]


def bouncing(chance: random.Random, button: Button, pressed: bool, at_s: float) -> list[Edge]:
    """The edge, then a contact that chatters for up to 15 ms and comes to rest where it should."""
    times_s = sorted(at_s + chance.uniform(0.0, 0.015) for _ in range(2 * chance.randrange(5)))
    return [(button, pressed ^ bool(number % 2), time_s) for number, time_s in enumerate([at_s, *times_s])]


@pytest.mark.parametrize(("presses", "late_s"), [(10_000, 0.0), (1_000, 0.025)])
def test_ten_thousand_bouncing_presses_are_ten_thousand_commands(presses, late_s):
    """M12: zero misses, zero doubles; each before the next press begins."""
    chance = random.Random(12)
    gestures, now_s = Gestures(), 0.0
    meanings = {LANG: NextPair(), LIVE: ToggleLive(), MUTE: Mute()}
    for number in range(presses):
        button = chance.choice(list(Button))
        came: list[Command] = []
        edges = bouncing(chance, button, True, now_s)
        now_s += chance.uniform(0.016, 0.49)
        edges += bouncing(chance, button, False, now_s)
        now_s += chance.uniform(0.09, 0.5)
        for index, (_, pressed, at_s) in enumerate([*edges, (button, False, now_s)]):
            while (wake_s := gestures.wake_at_s()) is not None and wake_s + late_s < at_s:
                came += gestures.due(wake_s + late_s)
            if index < len(edges):
                came += gestures.edge(button, pressed, at_s)
            if button is MUTE and index == 0:
                assert came == [Mute()], "a cough waits for nothing"
        assert came == [meanings[button]], f"press {number} of {button}"
