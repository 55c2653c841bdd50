"""Risk and coverage by brute force: every threshold, and every order of equal confidences."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.statistics.selective import accuracy_at, aurc, risk_coverage

TICKETS = st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.9]), st.booleans()), min_size=1)
Rows = list[tuple[float, bool]]


def split(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return np.array([sure for sure, _ in rows]), np.array([right for _, right in rows])


def orders(rows: Rows) -> list[list[bool]]:
    """Of the tickets, surest first, with equal ones in every order."""
    return [
        [right for _, right in order]
        for order in permutations(rows)
        if all(first[0] >= second[0] for first, second in pairwise(order))
    ]


@given(TICKETS)
def test_a_point_of_the_curve_is_what_a_threshold_answers(rows: Rows) -> None:
    curve = risk_coverage(*split(rows))
    thresholds = sorted({sure for sure, _ in rows}, reverse=True)
    assert len(curve.coverage) == len(thresholds)
    for threshold, coverage, risk in zip(thresholds, curve.coverage, curve.risk, strict=True):
        answered = [right for sure, right in rows if sure >= threshold]
        assert coverage == pytest.approx(len(answered) / len(rows))
        assert risk == pytest.approx(1 - sum(answered) / len(answered))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0.3, 0.5]), st.booleans()), min_size=1, max_size=6))
def test_aurc_is_the_mean_over_tickets_and_over_the_orders_of_equal_ones(rows: Rows) -> None:
    risks = [
        np.mean([1 - np.mean(order[: k + 1]) for k in range(len(order))]) for order in orders(rows)
    ]
    assert aurc(*split(rows)) == pytest.approx(np.mean(risks))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from([0.3, 0.5]), st.booleans()), min_size=1, max_size=6),
    st.sampled_from([0.01, 0.5, 0.8, 1.0]),
)
def test_accuracy_at_a_coverage_is_that_of_the_surest(rows: Rows, coverage: float) -> None:
    kept = max(1, int(np.ceil(round(coverage * len(rows), 6))))
    oracle = np.mean([np.mean(order[:kept]) for order in orders(rows)])
    assert accuracy_at(*split(rows), coverage) == pytest.approx(oracle)


def test_a_coverage_is_not_rounded_up_by_floating_point() -> None:
    right = np.arange(100) < 55  # 0.55 * 100 is 55.00000000000001
    assert accuracy_at(np.linspace(1, 0, 100), right, 0.55) == 1.0


def test_knowing_when_one_is_wrong_lowers_the_area() -> None:
    right = np.arange(10) < 8
    knows, errs = np.linspace(1, 0, 10), np.linspace(0, 1, 10)
    assert aurc(knows, right) < aurc(np.ones(10), right) < aurc(errs, right)
    assert aurc(np.ones(10), right) == pytest.approx(0.2)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="found 0 and 0"):
        aurc(np.array([]), np.array([], dtype=bool))
    with pytest.raises(ValueError, match="found 2 and 1"):
        risk_coverage(np.array([0.1, 0.2]), np.array([True]))
    for coverage in (0.0, 1.1):
        with pytest.raises(ValueError, match=f"found {coverage}"):
            accuracy_at(np.ones(2), np.ones(2, dtype=bool), coverage)
