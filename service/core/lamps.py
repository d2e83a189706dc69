"""The one table of appliance 5.1: the status -> exactly one lamp class -> what every lamp shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

from service.core.errors import FaultCode
from service.core.languages import LanguagePair
from service.core.phase import Phase
from service.core.status import Status


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a lamp is lit: so many seconds lit, dark, lit, dark …, over and over. What blinks ends dark."""

    name: str
    steps_s: tuple[float, ...]

    def at(self, t_s: float) -> tuple[bool, float]:
        """Whether the lamp is lit `t_s` >= 0 after the pattern began, and for how long still; `math.inf`: for ever."""
        ends_s = list(accumulate(self.steps_s))
        now_s = t_s % ends_s[-1]
        step = next(number for number, end_s in enumerate(ends_s) if now_s < end_s)
        return step % 2 == 0, ends_s[step] - now_s

    @property
    def last_dark_s(self) -> float:
        """When its last darkness begins: a lit lamp that enters here shows the change at once."""
        return sum(self.steps_s[:-1])


def _code(count: int) -> Pattern:
    """One long flash, then so many short ones, then a pause."""
    return Pattern(f"code-{count}", (1.0, 0.5, *(0.25, 0.35) * (count - 1), 0.25, 0.35 + 1.2))


OFF = Pattern("off", (0.0, math.inf))
ON = Pattern("on", (math.inf,))
SLOW = Pattern("slow", (1.0, 1.0))
FAST = Pattern("fast", (0.25, 0.25))
CODES = {code: _code(code) for code in FaultCode}


class LampClass(Enum):
    """What the lamps can say, the most important first."""

    IDENTIFY = "which box is it: for 10 s"
    LAMP_TEST = "lamp test"
    STARTING = "starting, or on the way out"
    FAULT = "fault, needs a person"
    NO_NETWORK = "no network yet"
    CLOCK = "waiting for the clock"
    CONNECTING = "connecting or reconnecting"
    SOUND_LOST = "reconnecting, and the listeners have lost sound"
    FALLBACK = "the floor sounds instead of the translation"
    OFF_AIR = "off air by choice: paused, muted, or the floor selected"
    ATTENTION = (
        "live, but somebody should look: line-in is silent, a language was refused, a button is stuck, power, heat"
    )
    LIVE = "live"
    READY = "ready, no session"


# LINK, LIVE, ALERT. In FAULT the ALERT lamp counts out the code, and LINK is fast without a network: see `face`.
FACES = {
    LampClass.IDENTIFY: (FAST, FAST, FAST),
    LampClass.LAMP_TEST: (ON, ON, ON),
    LampClass.STARTING: (SLOW, OFF, OFF),
    LampClass.NO_NETWORK: (FAST, OFF, OFF),
    LampClass.CLOCK: (FAST, OFF, SLOW),
    LampClass.CONNECTING: (ON, FAST, OFF),
    LampClass.SOUND_LOST: (ON, FAST, SLOW),
    LampClass.FALLBACK: (ON, OFF, SLOW),
    LampClass.OFF_AIR: (ON, SLOW, OFF),
    LampClass.ATTENTION: (ON, ON, SLOW),
    LampClass.LIVE: (ON, ON, OFF),
    LampClass.READY: (ON, OFF, OFF),
}
_ALARMS = (LampClass.CLOCK, LampClass.SOUND_LOST, LampClass.FALLBACK)  # beside FAULT and ATTENTION
_ON_THE_WAY = (Phase.CREATING, Phase.JOINING, Phase.PREPARING, Phase.WAITING)


def lamp_class(status: Status) -> LampClass:
    """What the lamps say of this status."""
    if status.identifying:
        return LampClass.IDENTIFY
    if status.lamp_test:
        return LampClass.LAMP_TEST
    if status.phase in (Phase.STARTING, Phase.STOPPING):
        return LampClass.STARTING
    if _fault_code(status) is not None:
        return LampClass.FAULT
    if _offline(status):
        return LampClass.NO_NETWORK
    if status.waiting_for_clock:
        return LampClass.CLOCK
    if status.phase in _ON_THE_WAY:
        return LampClass.SOUND_LOST if status.listeners_lost_sound else LampClass.CONNECTING
    if status.phase is Phase.LIVE and not status.playing:
        return LampClass.SOUND_LOST
    if status.phase is Phase.READY:
        return LampClass.READY
    if status.phase is Phase.PAUSED or status.muted or status.floor_chosen:
        return LampClass.OFF_AIR
    if status.fallback:
        return LampClass.FALLBACK
    return LampClass.ATTENTION if status.attention else LampClass.LIVE


def face(status: Status) -> tuple[Pattern, Pattern, Pattern]:
    """What LINK, LIVE and ALERT show."""
    said = lamp_class(status)
    if said is LampClass.FAULT:
        code = _fault_code(status)
        assert code is not None  # else it would be another class
        link, live, alert = (ON if status.network else FAST), OFF, CODES[code]
    else:
        link, live, alert = FACES[said]
    return link, live, ON if _is_acknowledged(status) else alert


def alarm(status: Status) -> str | None:
    """What ALERT calls people for, in words that differ when the cause does; None while it calls nobody."""
    said = lamp_class(status)
    if said is LampClass.FAULT:
        code, fault = _fault_code(status), status.fault
        return f"{said.value}: code {code}, {fault.name if fault is not None else None}"
    if said is LampClass.ATTENTION:
        return "; ".join(status.attention)
    return said.value if said in _ALARMS else None


def still_acknowledged(status: Status) -> str | None:
    """What of the acknowledgement is left: nothing once the box is well, or another alarm stands."""
    standing, seen = alarm(status), status.acknowledged
    if seen is None or standing == seen:
        return seen
    if standing is None:
        return None if status.phase in (Phase.LIVE, Phase.READY, Phase.PAUSED) else seen
    # A fault is tried again by itself, and that looks like a new start meanwhile.
    retried = lamp_class(status) is LampClass.SOUND_LOST and seen.startswith(LampClass.FAULT.value)
    return seen if retried else None


def _is_acknowledged(status: Status) -> bool:
    return status.acknowledged is not None and alarm(status) is not None


def patterns(status: Status) -> dict[str, Pattern]:
    """What every lamp shows, by name: link, live, alert, and l1, l2 … for the pairs of the menu."""
    link, live, alert = face(status)
    languages = {language_lamp(place): _language(status, pair) for place, pair in enumerate(status.menu)}
    return {"link": link, "live": live, "alert": alert, **languages}


def language_lamp(place: int) -> str:
    """The name of the lamp of the pair at this place of the menu."""
    return f"l{place + 1}"


def one_lamp(shown: Mapping[str, Pattern]) -> Pattern:
    """What the only lamp of a box shows: whether the room is on air, and instead the code while a fault stands."""
    return shown["alert"] if shown["alert"] in CODES.values() else shown["live"]


def _fault_code(status: Status) -> FaultCode | None:
    """What is wrong, if it needs a person."""
    if status.phase is Phase.FAULT:
        return status.fault.code if status.fault is not None else FaultCode.BOX
    return FaultCode.NETWORK if _offline(status) and status.network_overdue else None


def _offline(status: Status) -> bool:
    """The cloud is tried again and again and was not reached yet; each try looks the same."""
    return status.phase in (Phase.CREATING, Phase.WAITING) and not status.network


def _language(status: Status, pair: LanguagePair) -> Pattern:
    if status.lamp_test or pair == status.confirmed:
        return ON
    return FAST if pair == status.wanted else OFF
