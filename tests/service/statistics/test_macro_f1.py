"""Macro-F1 and its bootstrap against scikit-learn and against drawing tickets one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from service.statistics.macro_f1 import resampled_scores, scores

TICKETS = st.lists(st.tuples(*4 * [st.integers(0, 4)]), min_size=1, max_size=50)


@given(TICKETS)
def test_the_scores_are_those_of_scikit_learn(rows: list[tuple[int, ...]]) -> None:
    truth_N, *given = np.array(rows).T
    found = scores(truth_N, np.array(given), 5)
    wanted = [f1_score(truth_N, one_N, average="macro", zero_division=0) for one_N in given]
    assert found.macro_f1_RM[0] == pytest.approx(wanted)
    assert found.accuracy_RM[0] == pytest.approx([accuracy_score(truth_N, one) for one in given])


def test_the_bootstrap_spreads_as_one_that_draws_every_ticket() -> None:
    chance = np.random.default_rng(3)
    truth_N = chance.choice(3, size=300, p=[0.6, 0.3, 0.1])
    given_MN = np.where(chance.random((2, 300)) < 0.8, truth_N, chance.integers(3, size=(2, 300)))
    found_R = np.diff(resampled_scores(truth_N, given_MN, 3, 4000).macro_f1_RM, axis=1).ravel()
    drawn = []
    for _ in range(600):
        at = chance.integers(300, size=300)
        pair = [f1_score(truth_N[at], one_N[at], average="macro") for one_N in given_MN]
        drawn.append(pair[1] - pair[0])
    assert found_R.std() == pytest.approx(np.std(drawn), rel=0.1)
    assert found_R.mean() == pytest.approx(np.mean(drawn), abs=0.005)


def test_two_models_that_say_the_same_never_differ() -> None:
    truth_N = np.random.default_rng(0).integers(4, size=100)
    given_N = np.roll(truth_N, 1)
    found = resampled_scores(truth_N, np.stack([given_N, given_N]), 4, 50)
    assert (found.macro_f1_RM[:, 0] == found.macro_f1_RM[:, 1]).all()
    assert (found.accuracy_RM[:, 0] == found.accuracy_RM[:, 1]).all()


def test_the_order_of_the_tickets_and_of_other_models_does_not_matter() -> None:
    chance = np.random.default_rng(1)
    truth_N, given_MN = chance.integers(3, size=80), chance.integers(3, size=(2, 80))
    order = chance.permutation(80)
    here = resampled_scores(truth_N, given_MN, 3, 40)
    there = resampled_scores(truth_N[order], given_MN[:, order], 3, 40)
    assert (here.macro_f1_RM == there.macro_f1_RM).all()


def test_labels_that_nobody_names_change_nothing() -> None:
    chance = np.random.default_rng(2)
    truth_N, given_MN = chance.integers(3, size=80), chance.integers(3, size=(2, 80))
    few, many = (resampled_scores(truth_N, given_MN, classes, 40) for classes in (3, 300))
    assert few.macro_f1_RM == pytest.approx(many.macro_f1_RM)
    assert few.accuracy_RM == pytest.approx(many.accuracy_RM)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="to 0 tickets"):
        scores(np.array([], np.int64), np.zeros((1, 0), np.int64), 2)
    with pytest.raises(ValueError, match=r"shape \(1, 3\) to 2 tickets"):
        scores(np.array([0, 1]), np.zeros((1, 3), np.int64), 2)
    with pytest.raises(ValueError, match="within 0 and 1"):
        scores(np.array([0, 2]), np.zeros((1, 2), np.int64), 2)
