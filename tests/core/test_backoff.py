from service.core.backoff import Backoff


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
