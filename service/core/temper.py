"""What the board says of its power and its heat, and what of that people should know. Seconds of a monotonic clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

# Bits of a Raspberry Pi's firmware ("vcgencmd get_throttled"); those of "ever since the start" are 16 higher.
UNDERVOLTAGE, CAPPED, THROTTLED, SOFT_LIMIT = 1 << 0, 1 << 1, 1 << 2, 1 << 3
EVER = 16

CALM_S = 60.0  # what comes and goes faster is one trouble
COOLER_C = 5.0  # below the limit it is over


class Trouble(Enum):
    """What a person can mend, in words that say how."""

    POWER = (
        "undervoltage: the power supply or its cable is too weak; use the board's own supply and a short, thick cable"
    )
    HEAT = "too hot, the processor is slowed down: give the box air, take it out of the sun, or add a fan"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the board reports now; None or nothing where it reports none.

    `bits` are the firmware's, `low_voltage` its alarm by the kernel's own driver, `zones` the temperature of each zone
    and the limit above which the kernel slows the board down or is about to switch it off.
    """

    bits: int | None = None
    low_voltage: bool | None = None
    zones: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A trouble begins, or is over after `lasted_s`."""

    trouble: Trouble
    began: bool
    lasted_s: float = 0.0


class Temper:
    """Give it a reading every few seconds. A trouble begins with its first sign and ends a while after the last one."""

    def __init__(self) -> None:
        self._bits: int | None = None
        self._began_s: dict[Trouble, float] = {}
        self._sign_s: dict[Trouble, float] = {}

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Those that stand."""
        return tuple(trouble for trouble in Trouble if trouble in self._began_s)

    def look(self, now_s: float, reading: Reading) -> list[Change]:
        """What has changed."""
        signs = set(self._signs(reading))
        self._bits = reading.bits
        changes = []
        for trouble in Trouble:
            if trouble in signs:
                self._sign_s[trouble] = now_s
                if trouble not in self._began_s:
                    self._began_s[trouble] = now_s
                    changes.append(Change(trouble, began=True))
            elif trouble in self._began_s and now_s - self._sign_s[trouble] >= CALM_S:
                began_s = self._began_s.pop(trouble)
                changes.append(Change(trouble, began=False, lasted_s=self._sign_s[trouble] - began_s))
        return changes

    def _signs(self, reading: Reading) -> Iterator[Trouble]:
        bits = reading.bits or 0
        # A dip between two looks leaves its mark; one from before the first look says nothing of today's supply.
        dipped = self._bits is not None and bool(bits & ~self._bits & UNDERVOLTAGE << EVER)
        weak = bool(reading.low_voltage) or bool(bits & UNDERVOLTAGE) or dipped
        if weak:
            yield Trouble.POWER
        # Low voltage slows the processor down as well: then that alone is no sign of heat.
        slowed = bits & SOFT_LIMIT or (bits & (CAPPED | THROTTLED) and not weak)
        margin_c = COOLER_C if Trouble.HEAT in self._began_s else 0.0
        if slowed or any(now_c >= limit_c - margin_c for now_c, limit_c in reading.zones):
            yield Trouble.HEAT
