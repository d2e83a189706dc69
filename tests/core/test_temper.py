import pytest

from service.core.temper import CALM_S, Change, Reading, Temper, Trouble

WELL = Reading(bits=0)


def signs(temper: Temper, *readings: Reading, from_s: float = 0.0) -> list[list[Change]]:
    """What changed at each reading, five seconds apart."""
    return [temper.look(from_s + 5 * number, reading) for number, reading in enumerate(readings)]


@pytest.mark.parametrize(
    ("reading", "troubles"),
    [
        (Reading(), ()),  # a board that reports nothing
        (WELL, ()),
        (Reading(bits=0x50000), ()),  # since the start, but not now, and not under our eyes
        (Reading(bits=0x50005), (Trouble.POWER,)),  # slowed down for want of power
        (Reading(low_voltage=True), (Trouble.POWER,)),
        (Reading(low_voltage=False), ()),
        (Reading(bits=0xE0002), (Trouble.HEAT,)),
        (Reading(bits=0x4), (Trouble.HEAT,)),
        (Reading(bits=0x8), (Trouble.HEAT,)),
        (Reading(bits=0xF), (Trouble.POWER, Trouble.HEAT)),
        (Reading(zones=((84.9, 85.0), (40.0, 100.0))), ()),
        (Reading(zones=((40.0, 100.0), (85.0, 85.0))), (Trouble.HEAT,)),
    ],
)
def test_what_is_a_trouble(reading, troubles):
    temper = Temper()
    assert [change.trouble for change in temper.look(0, reading)] == list(troubles)
    assert temper.troubles == troubles


def test_each_begins_once_and_ends_once():
    temper = Temper()
    weak = Reading(bits=0x10001)
    changes = signs(temper, WELL, weak, weak, *[Reading(bits=0x10000)] * 20)
    assert changes[1] == [Change(Trouble.POWER, began=True)]
    over = next(place for place, change in enumerate(changes) if place > 1 and change)
    assert changes[over] == [Change(Trouble.POWER, began=False, lasted_s=5.0)]
    assert 5 * over == 10 + CALM_S and sum(map(len, changes)) == 2 and temper.troubles == ()


def test_what_comes_and_goes_is_one_trouble():
    temper = Temper()
    changes = signs(temper, *[Reading(low_voltage=True), *[Reading(low_voltage=False)] * 10] * 20)
    assert sum(map(len, changes)) == 1 and temper.troubles == (Trouble.POWER,)


def test_a_dip_between_two_looks_is_seen_by_its_mark():
    temper = Temper()
    assert signs(temper, WELL, Reading(bits=0x10000)) == [[], [Change(Trouble.POWER, began=True)]]
    assert [change for changes in signs(temper, *[Reading(bits=0x10000)] * 14, from_s=10) for change in changes] == [
        Change(Trouble.POWER, began=False)
    ]


def test_heat_is_over_well_below_the_limit_only():
    temper = Temper()
    at_limit, just_below, cool = (Reading(zones=((now_c, 85.0),)) for now_c in (85.0, 80.5, 79.0))
    signs(temper, at_limit, *[just_below] * 100)
    assert temper.troubles == (Trouble.HEAT,)
    signs(temper, *[cool] * 20, from_s=1000)
    assert temper.troubles == ()


def test_every_trouble_says_what_to_do():
    assert all("use" in trouble.value or "give" in trouble.value for trouble in Trouble)
