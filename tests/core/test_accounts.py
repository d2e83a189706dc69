import pytest

from service.core.accounts import Accounts


def test_only_what_runs_is_paid_and_the_total_goes_on_over_sessions_and_restarts():
    accounts = Accounts(paid_s=1000.0)
    accounts.opened(10.0)
    assert (accounts.age_s(25.0), accounts.paid_s(25.0)) == (15.0, 0.0)
    accounts.running(True, 20.0)
    accounts.running(True, 25.0)
    assert accounts.paid_s(30.0) == 10.0
    accounts.running(False, 50.0)
    accounts.running(True, 80.0)
    accounts.closed(100.0)
    assert (accounts.age_s(100.0), accounts.paid_s(500.0), accounts.total_s(500.0)) == (None, 50.0, 1050.0)
    accounts.opened(600.0)
    assert (accounts.paid_s(600.0), accounts.total_s(600.0)) == (0.0, 1050.0)
    accounts.running(True, 600.0)
    assert (accounts.paid_s(601.0), accounts.total_s(601.0)) == (1.0, 1051.0)


@pytest.mark.parametrize("limit_s", [None, 100.0])
def test_the_limit_counts_from_the_first_session_until_somebody_goes_off_air(limit_s):
    accounts = Accounts(max_session_s=limit_s)
    assert not accounts.overdue(1e6)
    accounts.opened(10.0)
    accounts.closed(60.0)
    accounts.opened(65.0)
    assert not accounts.overdue(109.9)
    assert accounts.overdue(110.0) == (limit_s is not None)
    accounts.off_air()
    assert not accounts.overdue(200.0)
    accounts.opened(300.0)
    assert not accounts.overdue(399.0)
