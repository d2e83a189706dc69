"""What a script does to packets."""

import statistics
from itertools import pairwise

import pytest

from tests.net.script import Path, Script, Step, step


def fates(*steps: Step, name: str = "udp up", packets: int = 5000, gap_s: float = 0.02, seed: int = 1):
    """When each packet of 100 bytes arrives, or None."""
    path = Path(name, Script(*steps, seed=seed))
    return [path.arrival_s(n * gap_s, 100) for n in range(packets)]


def lost(arrivals) -> list[int]:
    return [n for n, at_s in enumerate(arrivals) if at_s is None]


def runs(numbers: list[int]) -> list[int]:
    """The lengths of the runs of consecutive numbers."""
    starts = [0, *(at for at, (one, other) in enumerate(pairwise(numbers), 1) if other != one + 1), len(numbers)]
    return [end - start for start, end in pairwise(starts)]


def test_without_a_step_everything_arrives_at_once():
    assert fates(packets=100) == [n * 0.02 for n in range(100)]


def test_delay_and_jitter_keep_their_bounds_and_the_order():
    arrivals = fates(step(delay_ms=100, jitter_ms=60))
    late_ms = [(at_s - n * 0.02) * 1000 for n, at_s in enumerate(arrivals)]
    assert 100 <= min(late_ms) < 105 and 155 < max(late_ms) <= 160
    assert arrivals == sorted(arrivals)


def test_loss_is_the_share_asked_for_and_the_same_in_every_run_of_a_seed():
    ten = lost(fates(step(loss=0.1)))
    assert 0.085 < len(ten) / 5000 < 0.115
    assert ten == lost(fates(step(loss=0.1))) != lost(fates(step(loss=0.1), seed=2))
    assert ten != lost(fates(step(loss=0.1), name="udp down")), "the two directions have luck of their own"
    assert set(lost(fates(step(loss=0.05), step(delay_ms=50, jitter_ms=9)))) < set(ten)
    both = fates(step(loss=0.5, jitter_ms=10))
    late_ms = [(at_s - n * 0.02) * 1000 for n, at_s in enumerate(both) if at_s is not None]
    assert min(late_ms) < 1 and max(late_ms) > 9, "what is lost has nothing to do with what is late"


def test_bursts_are_the_share_and_the_length_asked_for():
    in_bursts = lost(fates(step(burst_loss=0.1, burst_packets=8), packets=20_000))
    assert 0.08 < len(in_bursts) / 20_000 < 0.12
    assert 6.5 < statistics.mean(runs(in_bursts)) < 9.5
    assert statistics.mean(runs(lost(fates(step(loss=0.1), packets=20_000)))) < 1.2


def test_reordered_packets_are_overtaken_and_nothing_is_lost():
    arrivals = fates(step(reorder=0.05, reorder_ms=50, delay_ms=10))
    held = [n for n, at_s in enumerate(arrivals) if at_s - n * 0.02 > 0.011]
    assert 0.035 < len(held) / 5000 < 0.065
    assert all(arrivals[n] > arrivals[n + 2] for n in held if {n + 1, n + 2}.isdisjoint(held) and n < 4990)


def test_a_stall_holds_what_follows_and_loses_nothing():
    arrivals = fates(step(stall=0.004, stall_ms=120), packets=20_000)
    late_ms = [(at_s - n * 0.02) * 1000 for n, at_s in enumerate(arrivals)]
    stalls = [one for one, before in zip(late_ms[1:], late_ms, strict=False) if one > before + 1]
    assert 0.003 < len(stalls) / 20_000 < 0.005
    assert 40 <= min(stalls) < 60 and 110 < max(stalls) <= 120.001
    assert arrivals == sorted(arrivals) and sum(one > 0.001 for one in late_ms) > 2 * len(stalls)
    assert lost(fates(step(loss=0.1, stall=0.1))) == lost(fates(step(loss=0.1)))


def test_a_rate_fills_a_queue_and_the_queue_is_bounded():
    # 100 bytes each 5 ms are 160 kbit/s; half of that goes through.
    arrivals = fates(step(rate_kbps=80, queue_ms=120), gap_s=0.005, packets=2000)
    waits_ms = [(at_s - n * 0.005) * 1000 for n, at_s in enumerate(arrivals) if at_s is not None]
    assert 980 < len(waits_ms) < 1040
    assert max(waits_ms) <= 120 + 10.001 and statistics.median(waits_ms) > 110
    never_full = fates(step(rate_kbps=320, queue_ms=120), gap_s=0.005, packets=2000)
    assert [at_s - n * 0.005 for n, at_s in enumerate(never_full)] == pytest.approx([0.0025] * 2000)


def test_steps_hold_for_their_time_on_their_paths():
    script = Script(step(loss=0.1, on="udp"), step(5, 8, blocked=True, on="udp down"), step(6, 1, blocked=False))
    blocked = {
        path: [at_s for at_s in range(20) if script.conditions(path, at_s).blocked]
        for path in ("udp up", "udp down", "tcp down")
    }
    assert blocked == {"udp up": [], "udp down": [5, 7, 8, 9, 10, 11, 12], "tcp down": []}
    assert script.conditions("udp down", 9).loss == 0.1 and script.conditions("tcp down", 9).loss == 0
    assert script.times_s() == [0, 5, 6, 7, 13]
    assert len(lost(fates(step(5, 8, blocked=True, on="udp")))) == 400


def test_tcp_loses_nothing_and_waits_for_the_rate():
    arrivals = fates(step(loss=0.5, burst_loss=0.5, reorder=0.5, blocked=True), name="tcp up", packets=100)
    assert arrivals == [n * 0.02 for n in range(100)]
    assert fates(step(rate_kbps=8), name="tcp up", packets=100)[-1] == pytest.approx(10)


@pytest.mark.parametrize(
    ("wrong", "error"), [({"on": "udp upp"}, ValueError), ({"los": 0.1}, TypeError), ({"loss": 10}, ValueError)]
)
def test_a_step_that_would_do_nothing_is_refused(wrong, error):
    with pytest.raises(error):
        step(**wrong)
