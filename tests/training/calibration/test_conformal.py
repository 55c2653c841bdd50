"""Conformal sets against MAPIE's, and that they cover what they promise."""

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from service.contract.promises import SetRule
from service.statistics.conformal import SCORES
from tests.training.calibration.simulated import QUEUE, Simulated, simulate
from training.calibration.conformal import set_rules
from training.errors import PromiseRefused


class Known(ClassifierMixin, BaseEstimator):
    """A classifier whose features are its probabilities."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Known":
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[X.argmax(axis=1)]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return X


def sets(rule: SetRule, probabilities: np.ndarray) -> np.ndarray:
    """(N, C): whether a label belongs to a ticket's set."""
    assert rule.threshold is not None
    return np.asarray(SCORES[rule.method](probabilities) <= rule.threshold + 1e-6)


def test_the_lac_sets_are_mapies() -> None:
    calibration, fresh = simulate(301, seed=1), simulate(400, seed=2)
    rule, _ = set_rules(QUEUE, calibration.probabilities, calibration.labels, 0.9)
    known = Known().fit(calibration.probabilities, calibration.labels)
    oracle = SplitConformalClassifier(
        known, confidence_level=0.9, conformity_score="lac", prefit=True
    ).conformalize(calibration.probabilities, calibration.labels)
    _, expected = oracle.predict_set(fresh.probabilities)
    assert np.array_equal(sets(rule, fresh.probabilities), expected[:, :, 0])


def test_both_scores_are_cut_at_the_quantile_of_the_final_labels() -> None:
    simulated = simulate(301, seed=1)
    rules = set_rules(QUEUE, simulated.probabilities, simulated.labels, 0.9)
    assert [(rule.method, rule.coverage, rule.tickets) for rule in rules] == [
        ("lac", 0.9, 301),
        ("aps", 0.9, 301),
    ]
    for rule in rules:
        scores = SCORES[rule.method](simulated.probabilities)[np.arange(301), simulated.labels]
        assert rule.threshold == np.sort(scores)[271]
        own = np.sort(scores[simulated.labels == 2])
        assert rule.by_label["payroll"] == own[int(np.ceil((len(own) + 1) * 0.9)) - 1]


def test_the_sets_hold_the_final_label_as_often_as_they_promise() -> None:
    world = simulate(10_000, seed=3)
    covered: dict[str, list[float]] = {"lac": [], "aps": []}
    by_label: list[float] = []
    for seed in range(60):
        split = world.at(np.random.default_rng(seed).integers(len(world), size=400))
        for rule in set_rules(QUEUE, split.probabilities, split.labels, 0.9):
            covered[rule.method].append(_coverage(rule, world))
        bar = rule.by_label["network"]
        assert bar is not None
        own = world.labels == 1
        by_label.append(float((SCORES["aps"](world.probabilities)[own, 1] <= bar).mean()))
    for shares in [*covered.values(), by_label]:
        assert np.mean(shares) == pytest.approx(0.9, abs=0.01)


def test_a_label_of_few_tickets_belongs_to_every_set_by_label() -> None:
    simulated = simulate(200, seed=4)
    labels = np.where(np.arange(200) < 5, 2, simulated.labels % 2)
    for rule in set_rules(QUEUE, simulated.probabilities, labels, 0.9):
        assert rule.by_label["payroll"] is None
        assert rule.by_label["billing"] is not None
        assert rule.threshold is not None


def test_a_label_without_a_ticket_is_refused_by_name() -> None:
    simulated = simulate(50, seed=5)
    with pytest.raises(PromiseRefused, match="found none of network, payroll among 50"):
        set_rules(QUEUE, simulated.probabilities, np.zeros(50, dtype=np.int64), 0.9)


def _coverage(rule: SetRule, world: Simulated) -> float:
    return float(sets(rule, world.probabilities)[np.arange(len(world)), world.labels].mean())
