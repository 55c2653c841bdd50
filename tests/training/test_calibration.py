"""Temperature scaling against scikit-learn's, and the measures that a report gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from service.contract.tasks import Task
from training.calibration.fit import calibrated, fit_temperature, temperature_calibration
from training.data.dataset import UNLABELLED
from training.evaluate import macro_f1, measure


class Logits(ClassifierMixin, BaseEstimator):
    """A classifier whose features are its logits."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Logits":
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[X.argmax(axis=1)]

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return X


@pytest.fixture
def overconfident() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(1)
    logits = chance.normal(size=(2000, 5)) * 2.0
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([chance.choice(5, p=row) for row in shares])
    return logits * 2.5, labels


def test_the_temperature_is_scikit_learns(overconfident: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = overconfident
    oracle = CalibratedClassifierCV(
        FrozenEstimator(Logits().fit(logits, labels)), method="temperature", ensemble=False
    ).fit(logits, labels)
    beta = oracle.calibrated_classifiers_[0].calibrators[0].beta_
    assert fit_temperature(logits, labels) == pytest.approx(1.0 / beta, rel=1e-3)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.1)


@given(st.floats(0.05, 20.0), st.integers(0, 10_000))
def test_temperature_never_changes_the_winner(temperature: float, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(8, 4))
    scaled = calibrated(logits, temperature_calibration(temperature, 4))
    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_calibration_lowers_the_measured_error(
    overconfident: tuple[np.ndarray, np.ndarray],
) -> None:
    logits, labels = overconfident
    task = Task(name="queue", labels=tuple("abcde"))
    before = measure(task, logits, labels)
    scaled = calibrated(logits, temperature_calibration(fit_temperature(logits, labels), 5))
    after = measure(task, scaled, labels)
    assert after["ece"] < before["ece"] / 2
    assert after["nll"] < before["nll"]
    assert after["accuracy"] == before["accuracy"]


def test_a_temperature_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match=r"temperature must be positive, found 0\.0"):
        temperature_calibration(0.0, 3)


def test_unlabelled_tickets_do_not_count() -> None:
    task = Task(name="urgency", labels=("P0", "P1", "P2"), kind="ordinal")
    scores = np.eye(3)[[0, 1, 2, 0]] * 9.0
    found = measure(task, scores, np.array([0, 1, 2, UNLABELLED]))
    assert found["n"] == 3
    assert found["accuracy"] == found["macro_f1"] == found["qwk"] == 1.0
    assert measure(task, scores, np.full(4, UNLABELLED)) == {"n": 0.0}


def test_macro_f1_is_the_mean_over_primary_tasks_with_labels() -> None:
    primary = Task(name="a", labels=("x", "y"))
    auxiliary = Task(name="b", labels=("x", "y"), role="auxiliary")
    empty = Task(name="c", labels=("x", "y"))
    measures = {"a": {"n": 5, "macro_f1": 0.5}, "b": {"n": 5, "macro_f1": 1.0}, "c": {"n": 0}}
    assert macro_f1((primary, auxiliary, empty), measures) == 0.5
