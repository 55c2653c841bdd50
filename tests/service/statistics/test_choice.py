"""Which label is given: by probability, and by what a wrong one costs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.contract.promises import Costs
from service.statistics.choice import choose, confidences, expected_costs

PAGE = Costs(matrix=((0, 50, 50), (1, 0, 1), (1, 1, 0)), human=3)


def draw(seed: int, tickets: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet([0.5, 0.5, 0.5], tickets)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_costs_are_the_mean_over_what_may_be_true(seed: int) -> None:
    probabilities = draw(seed, 5)
    found = expected_costs(probabilities, PAGE.matrix)
    for row, costs in zip(probabilities, found, strict=True):
        for label in range(3):
            oracle = sum(p * line[label] for p, line in zip(row, PAGE.matrix, strict=True))
            assert costs[label] == pytest.approx(oracle)


def test_a_small_chance_of_a_page_is_enough_where_missing_it_is_dear() -> None:
    probabilities = np.array([[0.03, 0.9, 0.07], [0.01, 0.9, 0.09]])
    assert choose(probabilities, PAGE, "expected_cost").tolist() == [0, 1]
    assert choose(probabilities, PAGE, "probability").tolist() == [1, 1]


def test_equal_costs_choose_the_most_probable() -> None:
    flat = Costs(matrix=((0, 1, 1), (1, 0, 1), (1, 1, 0)), human=0.5)
    probabilities = draw(3, 500)
    assert np.array_equal(
        choose(probabilities, flat, "expected_cost"), choose(probabilities, None, "probability")
    )


def test_of_equal_labels_the_more_probable_then_the_first_wins() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.1, 0.45, 0.45]])
    free = Costs(matrix=((0,) * 3,) * 3, human=0)
    for costs in (free, None):
        choice = "expected_cost" if costs else "probability"
        assert choose(probabilities, costs, choice).tolist() == [1, 0, 1]


def test_costs_that_differ_in_the_last_bit_are_equal() -> None:
    """3 * 0.1 is 0.30000000000000004: the first label would win by rounding alone."""
    tied = Costs(matrix=((0, 3, 9), (1, 0, 9), (0, 0, 9)), human=0)
    assert choose(np.array([[0.1, 0.3, 0.6]]), tied, "expected_cost").tolist() == [1]


def test_company_never_changes_a_label() -> None:
    probabilities = draw(5, 300).astype(np.float32)
    together = choose(probabilities, PAGE, "expected_cost")
    alone = [int(choose(row[None], PAGE, "expected_cost")[0]) for row in probabilities]
    assert together.tolist() == alone


@given(st.integers(0, 1000))
def test_a_confidence_is_the_number_in_the_reply(seed: int) -> None:
    probabilities = draw(seed).astype(np.float32)
    chosen = probabilities.argmin(axis=1)
    replies = [
        round(float(row[label]), 6) for row, label in zip(probabilities, chosen, strict=True)
    ]
    assert confidences(probabilities, chosen).tolist() == replies


def test_costs_of_another_shape_or_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 3\), found \(2, 2\)"):
        expected_costs(draw(0), [[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="needs the costs"):
        choose(draw(0), None, "expected_cost")
