"""Proper scores against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from service.statistics.scores import brier, negative_log_likelihood


def draw(seed: int, tickets: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    return chance.dirichlet(np.full(classes, 0.4), tickets), chance.integers(classes, size=tickets)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 60), st.integers(3, 12))
def test_both_scores_are_those_of_scikit_learn(seed: int, tickets: int, classes: int) -> None:
    probabilities, labels = draw(seed, tickets, classes)
    names = list(range(classes))
    found = negative_log_likelihood(probabilities, labels)
    assert found == pytest.approx(log_loss(labels, probabilities, labels=names), rel=1e-9)
    oracle = brier_score_loss(labels, probabilities, labels=names, scale_by_half=False)
    assert brier(probabilities, labels) == pytest.approx(oracle, abs=1e-12)


def test_the_scores_of_a_sure_model_are_their_ends() -> None:
    sure, labels = np.eye(3, dtype=np.float32), np.array([0, 1, 2])
    assert negative_log_likelihood(sure, labels) == 0.0
    assert brier(sure, labels) == 0.0
    assert brier(sure, np.array([1, 2, 0])) == 2.0


def test_one_sure_mistake_stays_finite() -> None:
    found = negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1]))
    assert found == pytest.approx(log_loss([1], [[1.0, 0.0]], labels=[0, 1]))


@pytest.mark.parametrize("score", [brier, negative_log_likelihood])
def test_tickets_and_labels_must_be_equally_many(score: object) -> None:
    assert callable(score)
    with pytest.raises(ValueError, match="found 0 and 0"):
        score(np.zeros((0, 3)), np.array([], dtype=int))
    with pytest.raises(ValueError, match="found 2 and 1"):
        score(np.full((2, 2), 0.5), np.array([1]))
