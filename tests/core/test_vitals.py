"""In virtual time: who stands still is found, who may stand still is not, and when systemd is left hungry."""

import itertools
import random

import pytest

from service.core.vitals import FOUND_S, HUNGRY_S, UNWATCHED_S, Looked, Sign, Vitals

STEP_S = 0.1
NOTHING = Looked((), ())


class Watch:
    """Looks ten times a second at counts that go on by themselves, unless they are in `still`."""

    def __init__(self, *names: str) -> None:
        self.now_s = 1000.0
        self.counts = dict.fromkeys(names, 0)
        self.still: set[str] = set()
        self.idle: set[str] = set()  # need not go on
        self.vitals = Vitals(self.now_s)
        self.found: list[tuple[str, float]] = []
        self.again: list[str] = []

    def pass_by(self, duration_s: float, *, step_s: float = STEP_S) -> "Watch":
        for _ in range(round(duration_s / step_s)):
            self.now_s += step_s
            for name in set(self.counts) - self.still:
                self.counts[name] += 1
            looked = self.look()
            self.found += [(name, round(self.now_s - 1000.0, 3)) for name in looked.still]
            self.again += looked.again
        return self

    def look(self) -> Looked:
        signs = {name: Sign(count, due=name not in self.idle) for name, count in self.counts.items()}
        return self.vitals.look(self.now_s, signs)

    @property
    def trouble(self) -> str:
        return self.vitals.trouble(self.now_s)


NAMES = ("capture", "uplink", "playout")


@pytest.mark.parametrize("idle", [set(names) for size in range(4) for names in itertools.combinations(NAMES, size)])
@pytest.mark.parametrize("still", [set(names) for size in range(4) for names in itertools.combinations(NAMES, size)])
def test_who_is_due_and_stands_still_is_found_within_two_seconds_and_nobody_else(still, idle):
    watch = Watch(*NAMES)
    watch.idle = idle
    watch.pass_by(5.0)
    assert watch.found == [] and watch.trouble == ""
    watch.still = still
    watch.pass_by(2.0)
    assert {name for name, _ in watch.found} == still - idle
    assert all(5.0 < found_s <= 7.0 for _, found_s in watch.found)
    assert watch.trouble == ""
    watch.pass_by(3.0)
    assert bool(watch.trouble) == bool(still - idle)
    for name in NAMES:
        assert (name in watch.trouble) == (name in still - idle)


def test_it_is_healed_again_and_again_until_it_goes_on():
    watch = Watch("uplink").pass_by(1.0)
    watch.still = {"uplink"}
    watch.pass_by(5.0)
    assert [round(found_s - 1.0, 1) for _, found_s in watch.found] == [1.5, 3.0, 4.5]
    assert watch.trouble == "uplink has stood still for 5.0 s" and watch.again == []
    watch.still = set()
    watch.pass_by(0.1)
    assert watch.again == ["uplink"] and watch.trouble == ""
    watch.still = {"uplink"}
    watch.pass_by(1.4)
    assert len(watch.found) == 3  # counted anew


def test_a_short_standstill_is_nobodys_business():
    watch = Watch(*NAMES)
    for _ in range(50):
        watch.still = set(NAMES)
        watch.pass_by(1.3)
        watch.still = set()
        watch.pass_by(0.1)
    assert watch.found == [] and watch.again == []


def test_a_healing_that_only_interrupts_is_none():
    """The uplink is joined anew, during which nothing is due, and sends nothing afterwards either."""
    watch = Watch("uplink").pass_by(1.0)
    watch.still = {"uplink"}
    while not watch.trouble:
        watch.idle = set()
        before = len(watch.found)
        while len(watch.found) == before and not watch.trouble:
            watch.pass_by(STEP_S)
        watch.idle = {"uplink"}
        watch.pass_by(1.0)
        assert watch.now_s < 1010
    assert watch.now_s - 1001.0 < HUNGRY_S + 3 * 1.0 + 0.2


def test_time_in_which_it_is_not_due_never_counts():
    watch = Watch("uplink")
    watch.still, watch.idle = {"uplink"}, {"uplink"}
    watch.pass_by(3600.0, step_s=0.5)
    watch.idle = set()
    watch.pass_by(1.2)
    assert watch.found == []


@pytest.mark.parametrize("gap_s", [0.6, 3.0, 60.0, 3600.0 * 24])
def test_a_machine_that_slept_has_not_stood_still(gap_s):
    watch = Watch(*NAMES).pass_by(1.0)
    watch.now_s += gap_s  # SIGSTOP, or a suspended machine whose clock goes on: nobody looked, nothing went on
    assert watch.trouble if gap_s > UNWATCHED_S else not watch.trouble
    assert watch.look() == NOTHING and watch.trouble == ""
    watch.pass_by(1.0)
    assert watch.found == [] and watch.again == []


def test_a_clock_that_goes_back_is_no_time():
    watch = Watch("capture").pass_by(1.0)
    watch.still = {"capture"}
    watch.now_s -= 500.0
    watch.look()
    watch.pass_by(1.4)
    assert watch.found == []
    watch.pass_by(0.2)
    assert [name for name, _ in watch.found] == ["capture"]


def test_with_slow_looks_it_is_found_all_the_same_though_later():
    watch = Watch("capture").pass_by(1.0)
    watch.still = {"capture"}
    watch.pass_by(5.0, step_s=1.0)
    assert watch.found == [("capture", 4.0)]  # each look counts for half a second


def test_who_no_longer_looks_is_the_trouble():
    watch = Watch(*NAMES).pass_by(3.0)
    watch.now_s += UNWATCHED_S + 0.1
    assert watch.trouble == "nobody has looked after the sound for 1.6 s"


def test_a_count_that_falls_goes_on_too():
    """Another room's count begins anew."""
    watch = Watch("uplink").pass_by(1.0)
    watch.still = {"uplink"}
    watch.pass_by(1.4)
    watch.counts["uplink"] = 0
    watch.pass_by(1.4)
    assert watch.found == []


def test_what_is_new_begins_when_it_is_first_seen():
    watch = Watch("capture").pass_by(60.0)
    watch.counts["playout hall"] = 0
    watch.still = {"playout hall"}
    watch.pass_by(1.5)
    assert watch.found == []
    watch.pass_by(0.2)
    assert [name for name, _ in watch.found] == ["playout hall"]


@pytest.mark.parametrize("seed", range(50))
def test_in_any_story_it_is_found_exactly_when_it_stood_still_for_so_long_while_due(seed):
    chance = random.Random(seed)
    watch, owed_s, found = Watch("uplink"), 0.0, 0
    watch.pass_by(0.1)
    for _ in range(400):
        watch.still = {"uplink"} if chance.random() < 0.8 else set()
        watch.idle = {"uplink"} if chance.random() < 0.3 else set()
        for _ in range(chance.randrange(1, 12)):
            watch.found.clear()
            watch.pass_by(STEP_S)
            if not watch.still:
                owed_s, found = 0.0, 0
            elif not watch.idle:
                owed_s += STEP_S
            expected = owed_s >= (found + 1) * FOUND_S - 1e-6
            if abs(owed_s - (found + 1) * FOUND_S) > 1e-6:  # on the edge either is right
                assert bool(watch.found) == expected
            found += bool(watch.found)
            assert bool(watch.trouble) == (owed_s >= HUNGRY_S) or abs(owed_s - HUNGRY_S) < 1e-6
