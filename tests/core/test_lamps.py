import itertools
import math
from dataclasses import replace

import pytest

from service.core.errors import FaultCode
from service.core.lamps import (
    CODES,
    FAST,
    OFF,
    ON,
    SLOW,
    LampClass,
    Pattern,
    alarm,
    face,
    lamp_class,
    one_lamp,
    patterns,
    still_acknowledged,
)
from service.core.languages import LanguagePair
from service.core.phase import Phase
from service.core.status import Fault, Status

IDENTIFY, LAMP_TEST = LampClass.IDENTIFY, LampClass.LAMP_TEST
PLAIN = (OFF, ON, SLOW, FAST)
ES, FR, DE = (LanguagePair(f"en to {code}", "en", (code,)) for code in ("es", "fr", "de"))


def every_status():
    faults = [None, *(Fault(code, "Any", "any") for code in FaultCode)]
    flags = list(itertools.product((False, True), repeat=11))
    for phase, fault, given in itertools.product(Phase, faults, flags):
        muted, floor, fallback, network, overdue, test, lost, silent, identifying, clock, playing = given
        yield Status(
            phase=phase,
            fault=fault,
            muted=muted,
            floor_chosen=floor,
            fallback=fallback,
            network=network,
            network_overdue=overdue,
            lamp_test=test,
            listeners_lost_sound=lost,
            input_silent=silent,
            identifying=identifying,
            waiting_for_clock=clock,
            playing=playing,
        )


def test_every_status_has_a_face_and_no_face_says_two_things():
    said: dict[tuple[Pattern, ...], set[LampClass]] = {}
    for status in every_status():
        said.setdefault(face(status), set()).add(lamp_class(status))
    assert {len(classes) for classes in said.values()} == {1}
    assert set().union(*said.values()) == set(LampClass)
    assert len(said) == len(LampClass) - 1 + 2 * len(FaultCode)  # each code with and without a network


def test_the_lamps_never_lie_about_what_the_room_hears():
    for status in every_status():
        link, live, alert = face(status)
        if status.lamp_test or status.identifying:
            continue
        translated = not (status.muted or status.floor_chosen or status.fallback)
        on_air = status.phase is Phase.LIVE and translated and status.playing
        assert (live == ON) == (on_air and not status.waiting_for_clock), status
        assert (alert in CODES.values()) == (lamp_class(status) is LampClass.FAULT), status
        assert status.phase is not Phase.FAULT or alert in CODES.values(), status
        assert link != ON or status.network or status.phase not in (Phase.WAITING, Phase.FAULT), status


def fault(code: FaultCode) -> Fault:
    return Fault(code, "Any", "any")


@pytest.mark.parametrize(
    ("status", "names"),
    [
        (Status(lamp_test=True), "on on on"),
        (Status(phase=Phase.FAULT, fault=fault(FaultCode.BOX), lamp_test=True), "on on on"),
        (Status(), "slow off off"),
        (Status(phase=Phase.STOPPING), "slow off off"),
        (Status(phase=Phase.READY), "on off off"),
        (Status(phase=Phase.READY, muted=True), "on off off"),
        (Status(phase=Phase.CREATING), "on fast off"),
        (Status(phase=Phase.JOINING), "on fast off"),
        (Status(phase=Phase.PREPARING, muted=True), "on fast off"),
        (Status(phase=Phase.LIVE), "on on off"),
        (Status(phase=Phase.LIVE, input_silent=True), "on on slow"),
        (Status(phase=Phase.LIVE, refusal="not confirmed"), "on on slow"),
        (Status(phase=Phase.LIVE, stuck_buttons=("lang",)), "on on slow"),
        (Status(phase=Phase.LIVE, box_notices=("undervoltage",)), "on on slow"),
        (Status(phase=Phase.LIVE, muted=True, refusal="not confirmed"), "on slow off"),
        (Status(phase=Phase.CREATING, waiting_for_clock=True), "fast off slow"),
        (Status(phase=Phase.CREATING, waiting_for_clock=True, network=False), "fast off off"),
        (Status(phase=Phase.FAULT, identifying=True, lamp_test=True), "fast fast fast"),
        (Status(phase=Phase.LIVE, muted=True), "on slow off"),
        (Status(phase=Phase.LIVE, muted=True, input_silent=True), "on slow off"),
        (Status(phase=Phase.READY, input_silent=True), "on off off"),
        (Status(phase=Phase.LIVE, floor_chosen=True), "on slow off"),
        (Status(phase=Phase.LIVE, fallback=True), "on off slow"),
        (Status(phase=Phase.LIVE, fallback=True, muted=True), "on slow off"),
        (Status(phase=Phase.WAITING, fallback=True, listeners_lost_sound=True), "on fast slow"),
        (Status(phase=Phase.PAUSED), "on slow off"),
        (Status(phase=Phase.WAITING, fault=fault(FaultCode.SERVICE)), "on fast off"),
        (Status(phase=Phase.WAITING, listeners_lost_sound=True), "on fast slow"),
        (Status(phase=Phase.CREATING, listeners_lost_sound=True), "on fast slow"),
        (Status(phase=Phase.WAITING, network=False, listeners_lost_sound=True), "fast off off"),
        (Status(phase=Phase.WAITING, network=False, network_overdue=True), "fast off code-1"),
        (Status(phase=Phase.WAITING, network_overdue=True), "on fast off"),
        (Status(phase=Phase.FAULT, fault=fault(FaultCode.SOUND_OUT)), "on off code-4"),
        (Status(phase=Phase.FAULT, fault=fault(FaultCode.CREDENTIALS), network=False), "fast off code-2"),
        (Status(phase=Phase.FAULT), "on off code-6"),
    ],
)
def test_the_table_of_the_appliance_reference(status, names):
    assert " ".join(pattern.name for pattern in face(status)) == names


def test_language_lamps_tell_wanted_from_confirmed():
    def languages(**parts):
        shown = patterns(Status(phase=Phase.LIVE, menu=(ES, FR, DE), **parts))
        assert list(shown) == ["link", "live", "alert", "l1", "l2", "l3"]
        return [shown[name] for name in ("l1", "l2", "l3")]

    assert languages() == [OFF, OFF, OFF]
    assert languages(wanted=ES) == [FAST, OFF, OFF]
    assert languages(wanted=ES, confirmed=ES) == [ON, OFF, OFF]
    assert languages(wanted=FR, confirmed=ES) == [ON, FAST, OFF]
    assert languages(wanted=FR, confirmed=FR) == [OFF, ON, OFF]
    assert languages(wanted=FR, lamp_test=True) == [ON, ON, ON]


def test_a_single_lamp_shows_the_air_and_the_code_instead_while_a_fault_stands():
    assert one_lamp(patterns(Status(phase=Phase.LIVE))) == ON
    assert one_lamp(patterns(Status(phase=Phase.WAITING, listeners_lost_sound=True))) == FAST
    assert one_lamp(patterns(Status(phase=Phase.FAULT, fault=fault(FaultCode.SOUND_IN)))).name == "code-3"


def wave(pattern: Pattern, seconds: float) -> str:
    """What the eye sees: one character per 50 ms, by following the pattern from change to change."""
    seen, t_s = "", 0.0
    while t_s < seconds:
        lit, left_s = pattern.at(t_s + 1e-6)
        left_s = min(left_s + 1e-6, seconds - t_s)
        seen += "#."[not lit] * round(left_s / 0.05)
        t_s += left_s
    return seen


def test_the_times_of_the_patterns():
    assert wave(OFF, 1) == "." * 20
    assert wave(ON, 1) == "#" * 20
    assert wave(SLOW, 4) == ("#" * 20 + "." * 20) * 2
    assert wave(FAST, 1) == ("#" * 5 + "." * 5) * 2
    start, flash, pause = "#" * 20 + "." * 10, "#" * 5 + "." * 7, "." * 24
    assert [CODES[code].name for code in FaultCode] == [f"code-{count}" for count in range(1, 7)]
    for code in FaultCode:
        once = start + flash * code + pause
        assert wave(CODES[code], len(once) / 20 * 2) == once * 2


def test_at_tells_the_state_and_the_next_change():
    assert SLOW.at(0.0) == (True, 1.0)
    assert SLOW.at(0.75) == (True, 0.25)
    assert SLOW.at(7.5) == (False, 0.5)
    assert ON.at(1e6) == (True, math.inf)
    assert OFF.at(0.0) == (False, math.inf)
    assert FAST.at(0.125 + 0.5 * 10**6) == (True, 0.125)  # six days later


@pytest.mark.parametrize("pattern", [*PLAIN, *CODES.values()], ids=lambda pattern: pattern.name)
def test_nothing_flashes_above_three_hertz_and_what_blinks_ends_dark(pattern):
    seen = wave(pattern, 20)
    lights_up = [place for place in range(1, len(seen)) if seen[place - 1 : place + 1] == ".#"]
    assert all((later - sooner) * 0.05 > 1 / 3 for sooner, later in itertools.pairwise(lights_up))
    if pattern is not ON:
        lit, left_s = pattern.at(pattern.last_dark_s + 1e-6)
        assert not lit
        assert pattern is OFF or pattern.at(pattern.last_dark_s + left_s + 1e-5)[0]


def phases(pattern: Pattern) -> list[int]:
    """Twelve seconds of it as bits, begun at every 50 ms of its round; all times are whole multiples of that."""
    steps = 1 if math.inf in pattern.steps_s else round(sum(pattern.steps_s) / 0.05)
    seen = wave(pattern, 12 + steps * 0.05)
    return [int(seen[start : start + 240].replace("#", "1").replace(".", "0"), 2) for start in range(steps)]


def least_difference(one: list[int], other: list[int]) -> float:
    return min((a ^ b).bit_count() for a in one for b in other) / 240


def test_patterns_are_told_apart_at_the_worst_phase():
    """B6, and the measure of appliance 5.1: the share of 12 s in which two lamps side by side differ."""
    for one, other in itertools.combinations(PLAIN, 2):
        assert least_difference(phases(one), phases(other)) >= 0.5, (one.name, other.name)
    for plain, code in itertools.product(PLAIN, CODES.values()):
        assert least_difference(phases(plain), phases(code)) >= 0.25, (plain.name, code.name)
        assert least_difference(phases(plain), phases(code)[:1]) >= 0.29, (plain.name, code.name)


def test_what_was_rejected_fails_the_measure():
    """The measure can tell: a bare count of short flashes is too near to a lamp that is off."""
    assert round(least_difference(phases(OFF), phases(Pattern("bare", (0.25, 1.85)))), 2) <= 0.13


# -- an alarm that somebody has seen ----------------------------------------------------------------------------------


def seen(status: Status) -> Status:
    return replace(status, acknowledged=alarm(status))


def after(status: Status, **changes) -> Status:
    changed = replace(status, **changes)
    return replace(changed, acknowledged=still_acknowledged(changed))


NO_CARD = Status(phase=Phase.FAULT, fault=fault(FaultCode.SOUND_IN))


def test_every_alarm_can_be_acknowledged_and_shows_its_own_class_still():
    for status in every_status():
        link, live, alert = face(status)
        assert (alarm(status) is None) == (alert == OFF or lamp_class(status) in (IDENTIFY, LAMP_TEST)), status
        if alarm(status) is not None:
            assert face(seen(status)) == (link, live, ON)


def test_a_fault_that_was_seen_stays_so_through_its_own_retries():
    trying = after(seen(NO_CARD), phase=Phase.CREATING, fault=None, listeners_lost_sound=True)
    assert face(trying) == (ON, FAST, ON)
    assert face(after(trying, phase=Phase.FAULT, fault=fault(FaultCode.SOUND_IN))) == (ON, OFF, ON)
    assert face(after(trying, phase=Phase.FAULT, fault=fault(FaultCode.SOUND_OUT))) == (ON, OFF, CODES[4])


@pytest.mark.parametrize("phase", [Phase.LIVE, Phase.READY, Phase.PAUSED])
def test_what_was_seen_is_forgotten_once_the_box_is_well(phase):
    well = after(seen(NO_CARD), phase=phase, fault=None)
    assert well.acknowledged is None
    assert face(after(well, phase=Phase.FAULT, fault=fault(FaultCode.SOUND_IN))) == (ON, OFF, CODES[3])


def test_another_thing_to_look_at_calls_again():
    silent = seen(Status(phase=Phase.LIVE, input_silent=True))
    assert face(silent) == (ON, ON, ON)
    assert face(after(silent, stuck_buttons=("live",))) == (ON, ON, SLOW)


@pytest.mark.parametrize("seen_first", [{"input_silent": True}, {"fallback": True}])
def test_a_loss_after_what_was_seen_calls_again(seen_first):
    looked_at = seen(Status(phase=Phase.LIVE, **seen_first))
    assert looked_at.acknowledged is not None
    lost = after(looked_at, phase=Phase.WAITING, listeners_lost_sound=True)
    assert face(lost) == (ON, FAST, SLOW)
    assert face(after(seen(lost), phase=Phase.JOINING)) == (ON, FAST, ON)
