"""Conformal sets against MAPIE, and their coverage by simulation."""

from typing import Self

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from mapie.conformity_scores import APSConformityScore
from sklearn.base import BaseEstimator, ClassifierMixin

from service.statistics.conformal import SCORES, aps_scores, conformal_quantile, lac_scores

CLASSES = 8


class Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose features are its probabilities."""

    classes_ = np.arange(CLASSES)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        raise NotImplementedError

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return X

    def predict(self, X: np.ndarray) -> np.ndarray:
        return X.argmax(axis=1)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class Undrawn(APSConformityScore):
    """MAPIE's APS with the whole of the true label's probability taken off a calibration ticket's
    score in place of a uniform draw of it.
    """

    def get_conformity_scores(self, y: np.ndarray, y_pred: np.ndarray, **_: object) -> np.ndarray:
        score, self.cutoff = self.get_true_label_cumsum_proba(y, y_pred, self.classes)
        own = np.take_along_axis(y_pred, np.asarray(y)[:, np.newaxis], axis=1)
        return score - own


def simulate(tickets: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, C) and labels drawn from them: a calibrated model of accuracy .8 or so."""
    chance = np.random.default_rng(seed)
    odds = np.exp(chance.normal(scale=5.0, size=(tickets, CLASSES)))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    drawn = chance.random((tickets, 1)) > np.cumsum(probabilities, axis=1)
    return probabilities, np.minimum(drawn.sum(axis=1), CLASSES - 1)


def of_truth(method: str, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return SCORES[method](probabilities)[np.arange(len(labels)), labels]


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize(("method", "oracle"), [("lac", "lac"), ("aps", Undrawn())])
def test_sets_are_those_of_mapie(method: str, oracle: object, coverage: float) -> None:
    probabilities, labels = simulate(600, 0)
    other, _ = simulate(1000, 1)
    mapie = SplitConformalClassifier(Given(), coverage, oracle).conformalize(probabilities, labels)
    # True: the label that takes the sum beyond the quantile is in the set.
    _, sets = mapie.predict_set(other, {"include_last_label": True})
    threshold = conformal_quantile(of_truth(method, probabilities, labels), coverage)
    assert threshold is not None
    assert np.array_equal(SCORES[method](other) <= threshold, sets[:, :, 0])


def test_an_adaptive_set_is_never_empty() -> None:
    probabilities, _ = simulate(200, 3)
    assert np.all(aps_scores(probabilities).min(axis=1) == 0.0)


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("coverage", [0.85, 0.9])
def test_sets_hold_the_label_as_often_as_they_say(method: str, coverage: float) -> None:
    held = []
    for seed in range(150):
        probabilities, labels = simulate(400, seed)
        scores = of_truth(method, probabilities, labels)
        threshold = conformal_quantile(scores[:200], coverage)
        held.append(np.mean(scores[200:] <= threshold))
    # k / (n + 1), the mean of a Beta, with three standard errors of 150 resamples.
    assert np.mean(held) == pytest.approx(coverage, abs=0.01)


def test_adaptive_sets_of_a_model_that_is_right_more_often_hold_one_label() -> None:
    probabilities, labels = simulate(400, 0)
    threshold = conformal_quantile(of_truth("aps", probabilities, labels), 0.7)
    assert threshold == 0.0
    assert np.all((aps_scores(probabilities) <= threshold).sum(axis=1) == 1)


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_the_more_probable_label_is_never_the_stranger(method: str) -> None:
    probabilities, _ = simulate(200, 2)
    order = np.argsort(-probabilities, axis=1)
    scores = np.take_along_axis(SCORES[method](probabilities), order, axis=1)
    assert np.all(np.diff(scores, axis=1) >= 0.0)


def test_scores_are_as_defined() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])
    assert lac_scores(probabilities) == pytest.approx(np.array([[0.5, 0.7, 0.8], [0.9, 0.7, 0.4]]))
    assert aps_scores(probabilities) == pytest.approx(np.array([[0.0, 0.5, 0.8], [0.9, 0.6, 0.0]]))


def test_equally_probable_labels_go_by_label_order() -> None:
    assert aps_scores(np.array([[0.25, 0.5, 0.25]])) == pytest.approx(np.array([[0.5, 0.0, 0.75]]))
    many = np.tile([1.0, 2.0, 1.0], 20)[None] / 80
    firsts = aps_scores(many)[0, many[0] == 2.0 / 80]
    assert firsts == pytest.approx(np.arange(20) / 40)


@pytest.mark.parametrize(
    ("tickets", "coverage", "expected"),
    [(9, 0.9, 9), (19, 0.9, 18), (99, 0.9, 90), (99, 0.55, 55), (10, 0.9, 10), (3, 0.05, 1)],
)
def test_the_quantile_is_the_score_of_that_rank(
    tickets: int, coverage: float, expected: int
) -> None:
    """99 and .55: 100 * .55 is 55.00000000000001 in floating point."""
    ranks = np.random.default_rng(0).permutation(tickets) + 1
    assert conformal_quantile(ranks, coverage) == expected


def test_too_few_tickets_have_no_quantile() -> None:
    assert conformal_quantile(np.arange(8.0), 0.9) is None
    assert conformal_quantile(np.array([]), 0.5) is None


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_a_certain_coverage_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match=f"found {coverage}"):
        conformal_quantile(np.arange(8.0), coverage)
