import random
from collections.abc import Callable

import pytest

from service.room.nacks import CALM_S, FIRST_RTT_S, LARGEST_GAP, PATIENCE_S, Nacks


def feed(nacks: Nacks, *sequences: int, begin_s: float = 0.0) -> list[tuple[float, list[int]]]:
    """A packet each 20 ms; when what was asked for."""
    times = [(begin_s + 0.02 * n, sequence) for n, sequence in enumerate(sequences)]
    asked = [(round(now_s, 3), nacks.received(sequence, now_s)) for now_s, sequence in times]
    return [(now_s, due) for now_s, due in asked if due]


def test_a_hole_is_asked_for_with_each_packet_until_it_is_filled():
    assert feed(Nacks(), 5, 7, 8, 9, 6, 10) == [(0.02, [6]), (0.04, [6]), (0.06, [6])]


def test_what_comes_at_once_after_a_stall_asks_once():
    nacks = Nacks()
    feed(nacks, 0)
    assert [nacks.received(sequence, 0.3) for sequence in range(2, 8)] == [[1], [], [], [], [], []]


def test_where_every_request_is_answered_a_round_trip_is_waited_for():
    nacks = Nacks()
    feed(nacks, 0, 2, 3, 1, 1)
    assert feed(nacks, 5, *range(6, 16), begin_s=1.0) == [(1.0, [4]), (1.14, [4])]
    for first in range(20, 400, 4):  # each answered after one packet
        feed(nacks, first, first + 2, first + 1, first + 3, begin_s=first * 0.02)
    assert [at_s for at_s, _ in feed(nacks, 401, *range(402, 410), begin_s=9.0)][:2] == pytest.approx([9.0, 9.04])
    assert len(feed(nacks, 411, *range(412, 416), begin_s=1.0 + CALM_S)) == 5


def test_nothing_is_asked_for_for_ever():
    assert feed(Nacks(), 0, 2, *range(3, 100))[-1][0] <= 0.02 + PATIENCE_S


def test_an_outage_is_not_asked_for():
    assert feed(Nacks(), 0, LARGEST_GAP + 1, LARGEST_GAP + 2) == []
    assert len(feed(Nacks(), 0, LARGEST_GAP)[0][1]) == LARGEST_GAP - 1


def test_numbers_wrap():
    assert feed(Nacks(), 65534, 1)[0] == (0.02, [65535, 0])
    assert feed(Nacks(), 65534, 0, 65535, 1) == [(0.02, [65535])]


def steady(nacks: Nacks, *, packets: int = 1000, begin: int = 0, jitter_s: float = 0.0) -> float:
    """So many packets as they are sent; when the last one came."""
    chance, now_s = random.Random(2), 0.0
    for n in range(begin, begin + packets):
        now_s = max(now_s, n * 0.02 + chance.random() * jitter_s)
        assert nacks.received(n, now_s) == []
    return now_s


def test_what_is_overdue_is_asked_for_before_anything_shows_that_it_is_lost():
    nacks = Nacks()
    last_s = steady(nacks)
    asked = [nacks.overdue(last_s + late_ms / 1000) for late_ms in (25, 27, 46, 66)]
    assert asked == [[], [1000], [1000, 1001], [1000, 1001, 1002]]
    assert nacks.received(1003, last_s + 0.08) == [], "a moment ago they were asked for"
    assert nacks.received(1004, last_s + 0.10) == [1000, 1001, 1002]


def test_after_an_outage_nothing_is_asked_for_for_ever():
    nacks = Nacks()
    last_s = steady(nacks)
    assert len(nacks.overdue(last_s + 0.39)) <= LARGEST_GAP
    assert [nacks.overdue(last_s + late_s) for late_s in (1.0, 2.0)] == [[], []]


def test_nothing_is_overdue_where_packets_let_wait_for_themselves():
    nacks = Nacks()
    assert nacks.overdue(100.0) == []
    last_s = steady(nacks, packets=20)
    assert nacks.overdue(last_s + 0.1) == [], "too early to know"
    last_s = steady(nacks, jitter_s=0.060, packets=1000, begin=20)
    assert nacks.overdue(last_s + 0.045) == []


def test_one_that_was_only_late_makes_us_patient_and_comes_twice_without_blame():
    nacks = Nacks()
    last_s = steady(nacks)
    assert nacks.overdue(last_s + 0.05) == [1000, 1001]
    assert nacks.received(1000, last_s + 0.06) == [] and nacks.received(1001, last_s + 0.07) == []
    assert nacks.received(1000, last_s + 0.09) == [] and nacks.received(1001, last_s + 0.09) == []
    assert nacks.overdue(last_s + 0.13) == []
    assert feed(nacks, 1003, 1004, 1005, begin_s=last_s + 0.13) == [
        (round(last_s + 0.13 + late_s, 3), [1002]) for late_s in (0, 0.02, 0.04)
    ], "still with each packet"


def livekit(rtt_s: float) -> Callable[[int, float], bool]:
    """Whether LiveKit's server answers a request for packet n of 20 ms that reaches it now."""
    answered: dict[int, list[float]] = {}

    def answers(n: int, now_s: float) -> bool:
        before = answered.setdefault(n, [n * 0.02])
        if len(before) > 3 or now_s - before[-1] <= min(0.1, 2 * rtt_s):
            return False
        before.append(now_s)
        return True

    return answers


def talk(
    answers: Callable[[int, float], bool], *, rtt_s: float, loss: float, packets: int = 5000
) -> tuple[dict[int, float], int, Nacks]:
    """How late each packet came over one that is not lost, and how many came in vain; requests are lost too."""
    chance, nacks = random.Random(1), Nacks()
    late_s: dict[int, float] = {}
    twice, coming = 0, [(n * 0.02 + rtt_s / 2, n) for n in range(packets) if chance.random() >= loss]
    while coming:
        coming.sort(reverse=True)
        now_s, sequence = coming.pop()
        twice += sequence in late_s
        late_s.setdefault(sequence, now_s - rtt_s / 2 - sequence * 0.02)
        for asked in nacks.received(sequence & 0xFFFF, now_s):
            if chance.random() >= loss and answers(asked, now_s + rtt_s / 2) and chance.random() >= loss:
                coming.append((now_s + rtt_s, asked))
    return late_s, twice, nacks


@pytest.mark.parametrize(("rtt_s", "first_s"), [(0.03, 0.07), (0.045, 0.105), (0.07, 0.11), (0.15, 0.17)])
def test_livekits_server_answers_as_soon_as_it_ever_does_and_once(rtt_s, first_s):
    late_s, twice, _ = talk(livekit(rtt_s), rtt_s=rtt_s, loss=0.02, packets=2000)
    repaired = sorted(one for one in late_s.values() if one > 0.001)
    assert repaired[len(repaired) // 2] == pytest.approx(first_s)
    assert twice <= len(repaired) / 6


@pytest.mark.parametrize(("loss", "least"), [(0.1, 0.995), (0.2, 0.98)])
def test_most_of_what_is_lost_both_ways_comes_in_time(loss, least):
    late_s, _, _ = talk(livekit(0.06), rtt_s=0.06, loss=loss)
    assert sum(one < 0.4 for one in late_s.values()) >= least * 5000


def test_a_server_that_answers_everything_sends_little_in_vain():
    late_s, twice, nacks = talk(lambda n, now_s: True, rtt_s=0.06, loss=0.1)
    assert len(late_s) >= 0.995 * 5000 and twice < 0.02 * 5000
    assert FIRST_RTT_S > nacks._rtt_s > 0.05
