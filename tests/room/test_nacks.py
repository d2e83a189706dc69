import random

import pytest

from service.room.nacks import FIRST_RTT_S, LARGEST_GAP, PATIENCE_S, TRIES, Nacks


def feed(nacks: Nacks, *sequences: int, begin_s: float = 0.0) -> list[tuple[float, list[int]]]:
    """A packet each 20 ms; when what was asked for."""
    times = [(begin_s + 0.02 * n, sequence) for n, sequence in enumerate(sequences)]
    asked = [(round(now_s, 3), nacks.received(sequence, now_s)) for now_s, sequence in times]
    return [(now_s, due) for now_s, due in asked if due]


def test_a_hole_is_asked_for_at_once_and_again_after_a_round_trip():
    assert feed(Nacks(), 5, 7, 8, 9, 10, 11, 12, 13, 14, 15) == [(0.02, [6]), (0.16, [6])]


def test_what_has_come_is_not_asked_for_again_and_tells_the_round_trip():
    nacks = Nacks()
    for first in range(0, 800, 8):  # every time answered after one packet
        feed(nacks, first, first + 2, first + 1, *range(first + 3, first + 8), begin_s=first * 0.02)
    asked = feed(nacks, 800, 802, *range(803, 812), begin_s=20.0)
    assert [now_s for now_s, _ in asked][:3] == pytest.approx([20.02, 20.06, 20.1])


def test_nothing_is_asked_for_for_ever():
    nacks = Nacks()
    asked = feed(nacks, 0, 2, *range(3, 100))
    assert asked[-1][0] <= 0.02 + PATIENCE_S and len(asked) <= TRIES


def test_an_outage_is_not_asked_for():
    assert feed(Nacks(), 0, LARGEST_GAP + 1, LARGEST_GAP + 2) == []
    assert len(feed(Nacks(), 0, LARGEST_GAP)[0][1]) == LARGEST_GAP - 1


def test_numbers_wrap():
    assert feed(Nacks(), 65534, 1, 2) == [(0.02, [65535, 0])]
    assert feed(Nacks(), 65534, 0, 65535, 1) == [(0.02, [65535])]


@pytest.mark.parametrize(("loss", "least"), [(0.1, 0.995), (0.2, 0.98)])
def test_most_of_what_is_lost_both_ways_comes_in_time(loss, least):
    """60 ms round trip; requests and repetitions are lost as packets are."""
    chance, nacks, got = random.Random(1), Nacks(), set()
    coming: list[tuple[float, int]] = []
    for n in range(5000):
        now_s = n * 0.02
        coming += [(now_s, n)] if chance.random() > loss else []
        coming.sort()
        while coming and coming[0][0] <= now_s:
            _, sequence = coming.pop(0)
            got.add(sequence)
            for asked in nacks.received(sequence, now_s):
                if chance.random() > loss and chance.random() > loss:
                    coming.append((now_s + 0.06, asked))
    assert len(got) >= least * 5000
    assert FIRST_RTT_S > nacks._rtt_s > 0.05
