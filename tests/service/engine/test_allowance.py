"""The allowance: seconds earned at a rate, kept up to a limit."""

from service.engine.allowance import Allowance


def test_it_begins_full_and_what_is_spent_is_earned_again() -> None:
    allowance = Allowance(rate=0.5, most_s=1.0)
    assert allowance.covers(1.0, now=10.0)
    allowance.spend(1.0)
    assert not allowance.covers(0.1, now=10.0)
    assert not allowance.covers(0.6, now=11.0)
    assert allowance.covers(0.5, now=11.0)


def test_no_more_is_saved_than_the_limit() -> None:
    allowance = Allowance(rate=0.5, most_s=1.0)
    assert not allowance.covers(1.01, now=1000.0)
    assert allowance.covers(1.0, now=2000.0)
