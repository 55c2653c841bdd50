"""Ordinal measures against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, recall_score

from service.statistics.ordinal import Alarm, alarm, quadratic_kappa

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80)
Pairs = list[tuple[int, int]]


def split(rows: Pairs) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@settings(max_examples=40)
@given(PAIRS.filter(lambda rows: len({label for row in rows for label in row}) > 1))
def test_kappa_is_that_of_scikit_learn(rows: Pairs) -> None:
    truth, given_ = split(rows)
    oracle = cohen_kappa_score(truth, given_, labels=[0, 1, 2, 3], weights="quadratic")
    assert quadratic_kappa(truth, given_, 4) == pytest.approx(oracle, abs=1e-12)


@pytest.mark.parametrize("rows", [np.array([], dtype=int), np.full(5, 2)])
def test_kappa_is_0_where_it_is_undefined(rows: np.ndarray) -> None:
    assert quadratic_kappa(rows, rows, 4) == 0.0


@settings(max_examples=40)
@given(PAIRS.filter(lambda rows: any(truth == 0 for truth, _ in rows)))
def test_an_alarm_is_the_recall_of_p0_and_its_share_far_below(rows: Pairs) -> None:
    truth, given_ = split(rows)
    found = alarm(truth, given_)
    oracle = recall_score(truth, given_, labels=[0], average="macro", zero_division=0)
    assert found.recall == pytest.approx(oracle)
    assert found.n == sum(first == 0 for first, _ in rows)
    lost = sum(pair in {(0, 2), (0, 3)} for pair in rows)
    assert found.far == pytest.approx(lost / found.n)


def test_another_level_and_distance_can_be_asked_for() -> None:
    truth, given_ = np.array([3, 3, 3, 3, 0]), np.array([3, 2, 1, 0, 3])
    assert alarm(truth, given_, level=3, far=3) == Alarm(0.25, 0.25, 4)


def test_without_a_ticket_of_that_label_nothing_is_known() -> None:
    assert alarm(np.array([1, 2]), np.array([0, 0])) == Alarm(None, None, 0)


def test_truth_and_labels_must_be_equally_many() -> None:
    with pytest.raises(ValueError, match="found 2 and 1"):
        quadratic_kappa(np.array([1, 2]), np.array([0]), 4)
    with pytest.raises(ValueError, match="found 2 and 1"):
        alarm(np.array([1, 2]), np.array([0]))
