"""A sample is a property of the ticket: steady, nested, and of the size asked for."""

from hypothesis import given
from hypothesis import strategies as st

from service.shadow.sampling import is_sampled

SHARES = st.floats(0.0, 1.0)


@given(key=st.text(), one=SHARES, other=SHARES)
def test_a_larger_share_keeps_every_ticket_of_a_smaller_one(
    key: str, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert not is_sampled(key, low) or is_sampled(key, high)
    assert is_sampled(key, low) == is_sampled(key, low)


def test_the_share_is_that_of_the_tickets() -> None:
    for share in (0.05, 0.5, 0.9):
        kept = sum(is_sampled(f"ticket-{number}", share) for number in range(20_000))
        assert abs(kept / 20_000 - share) < 0.015


def test_all_and_none_are_exact() -> None:
    keys = [str(number) for number in range(1000)]
    assert all(is_sampled(key, 1.0) for key in keys)
    assert not any(is_sampled(key, 0.0) for key in keys)


def test_an_id_that_is_no_valid_unicode_is_sampled_like_any_other() -> None:
    assert is_sampled("\ud800", 0.5) in (True, False)
