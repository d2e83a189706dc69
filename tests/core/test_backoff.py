import pytest

from service.core.backoff import Backoff, wait_of_a_crash_loop_s


def test_doubles_to_the_cap_and_keeps_half_to_chance():
    backoff = Backoff(cap_s=15.0)
    assert [backoff.next_s(chance=1.0) for _ in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert backoff.next_s(chance=0.0) == 7.5


def test_starts_anew_only_after_a_good_while_and_honours_what_was_asked():
    backoff = Backoff(good_s=60.0)
    backoff.next_s(chance=0), backoff.next_s(chance=0)
    backoff.ran_for(59.0)
    assert backoff.next_s(chance=1.0) == 2.0
    backoff.ran_for(60.0)
    assert backoff.next_s(chance=1.0) == 0.5
    assert backoff.next_s(chance=0, at_least_s=30) == 30


@pytest.mark.parametrize(
    ("created_s", "wait_s"),
    [
        ([], 0.0),
        ([99.9], 0.9),
        ([95.0], 0.0),
        ([97.0, 99.0], 1.0),
        ([90.0, 92.0, 95.0, 99.0], 7.0),
        (list(range(80, 100)), 14.0),
        ([101.0], 0.0),  # of another boot
    ],
)
def test_a_process_waits_as_long_as_its_forerunners_would_have(created_s, wait_s):
    assert wait_of_a_crash_loop_s(created_s, 100.0) == pytest.approx(wait_s)
