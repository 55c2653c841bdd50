"""Verdicts: what they may be, what makes them, and how many tickets an open one asks for."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.statistics.noninferiority import MOST_TICKETS, judge, settling
from service.statistics.seeds import Gap


def made(estimate: float, error: float, n: int = 1000, seeds: float | None = None) -> Gap:
    return Gap(estimate, error**2, seeds, math.inf, n)


GAPS = st.builds(made, st.floats(-0.2, 0.2), st.floats(1e-4, 0.1))


@pytest.mark.parametrize(
    ("estimate", "error", "verdict", "no_worse"),
    [
        (0.03, 0.01, "helps", True),
        (0.003, 0.001, "helps", True),
        (0.0, 0.005, "neutral", True),
        (-0.005, 0.001, "neutral", True),  # Worse for certain, by less than matters.
        (-0.05, 0.01, "hurts", False),
        (-0.03, 0.012, "hurts", False),
        (-0.02, 0.02, "inconclusive", False),
        (0.01, 0.01, "inconclusive", True),  # Not worse, and not known to be better.
    ],
)
def test_the_interval_and_the_margin_make_the_verdict(
    estimate: float, error: float, verdict: str, no_worse: bool
) -> None:
    found = judge([made(estimate, error)], margin=0.02)[0]
    assert (found.verdict, found.no_worse) == (verdict, no_worse)


@given(st.lists(GAPS, min_size=1, max_size=5))
def test_only_an_open_verdict_asks_for_tickets(gaps: list[Gap]) -> None:
    for found in judge(gaps, margin=0.01):
        is_open = found.verdict == "inconclusive"
        assert (found.needed is not None or found.more_seeds) == is_open


@given(GAPS)
def test_the_number_that_is_asked_for_settles_it(one: Gap) -> None:
    needed = settling(one, 0.01)
    if needed is None or judge([one], 0.01)[0].verdict != "inconclusive":
        return
    larger = dataclasses.replace(
        one, n=needed, ticket_variance=one.ticket_variance * one.n / needed
    )
    assert judge([larger], 0.01)[0].verdict != "inconclusive"
    assert needed > one.n


def test_more_tasks_make_each_verdict_harder() -> None:
    one = made(-0.05, 0.0225)  # p is 0.026.
    assert judge([one], 0.01)[0].verdict == "hurts"
    assert [found.verdict for found in judge([one] * 3, 0.01)] == ["inconclusive"] * 3


def test_a_spread_between_seeds_asks_for_seeds_not_tickets() -> None:
    found = judge([made(0.01, 0.001, seeds=0.05**2)], 0.01)[0]
    assert (found.verdict, found.needed, found.more_seeds) == ("inconclusive", None, True)


def test_an_absurd_number_of_tickets_is_not_named() -> None:
    assert settling(made(0.0, 0.5, n=MOST_TICKETS), 1e-4) is None


def test_no_task_gives_no_verdict_and_a_margin_of_nothing_is_refused() -> None:
    assert judge([], 0.01) == []
    with pytest.raises(ValueError, match=r"margin must be positive, found 0\.0"):
        judge([made(0.0, 0.1)], 0.0)


def test_two_recipes_that_said_the_same_to_few_tickets_are_not_called_neutral() -> None:
    few, many = (Gap(0.0, 0.0, None, math.inf, n) for n in (10, 10_000))
    (open_one,), (settled,) = judge([few], 0.02), judge([many], 0.02)
    assert (open_one.verdict, settled.verdict) == ("inconclusive", "neutral")
    assert open_one.needed is not None
    again = Gap(0.0, 0.0, None, math.inf, open_one.needed)
    assert judge([again], 0.02)[0].verdict == "neutral"
