"""Agreement of two models against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from service.statistics.agreement import confusion, disagreement, kappa, top_pairs
from service.statistics.intervals import wilson

LABELS = ("billing", "technical", "sales", "other")
ROWS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), max_size=80)


def split(rows: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [first for first, _ in rows], [second for _, second in rows]


@settings(max_examples=30)
@given(ROWS.filter(bool))
def test_the_matrix_is_that_of_scikit_learn(rows: list[tuple[str, str]]) -> None:
    first, second = split(rows)
    oracle = confusion_matrix(first, second, labels=list(LABELS))
    assert np.array_equal(confusion(first, second, LABELS), oracle)


@settings(max_examples=30)
@given(ROWS.filter(lambda rows: len({label for row in rows for label in row}) > 1))
def test_kappa_is_that_of_scikit_learn(rows: list[tuple[str, str]]) -> None:
    first, second = split(rows)
    oracle = cohen_kappa_score(first, second, labels=list(LABELS))
    assert kappa(confusion(first, second, LABELS)) == pytest.approx(oracle, abs=1e-12)


@pytest.mark.parametrize("rows", [[], [("sales", "sales")] * 5])
def test_kappa_is_unknown_where_chance_explains_all(rows: list[tuple[str, str]]) -> None:
    assert kappa(confusion(*split(rows), LABELS)) is None


@given(ROWS)
def test_all_pairs_together_are_the_disagreements(rows: list[tuple[str, str]]) -> None:
    pairs = top_pairs(confusion(*split(rows), LABELS), LABELS, count=100)
    assert sum(pair.count for pair in pairs) == sum(a != b for a, b in rows)
    assert [pair.count for pair in pairs] == sorted((p.count for p in pairs), reverse=True)
    for pair in pairs:
        assert pair.count == rows.count((pair.first, pair.second))


def test_only_the_most_frequent_pairs_are_named() -> None:
    rows = [("billing", "sales")] * 3 + [("sales", "other")] * 5 + [("other", "other")] * 9
    (pair,) = top_pairs(confusion(*split(rows), LABELS), LABELS, count=1)
    assert (pair.first, pair.second, pair.count) == ("sales", "other", 5)


def test_a_rate_comes_with_its_interval() -> None:
    found = disagreement(42, 1000)
    assert (found.rate, found.interval) == (0.042, wilson(42, 1000))
    assert disagreement(0, 0).rate is None


def test_labels_outside_the_order_are_refused() -> None:
    with pytest.raises(ValueError, match="found \\['spam'\\]"):
        confusion(["spam"], ["sales"], LABELS)
    with pytest.raises(ValueError, match="found 1 and 0"):
        confusion(["sales"], [], LABELS)
