"""Every method against what it must find in a simulated model, and temperature against
scikit-learn's.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from service.statistics.scores import negative_log_likelihood
from tests.training.calibration.simulated import Simulated, mislabelled, simulate
from training.calibration.fit import (
    METHODS,
    MOST_SPREAD,
    SPREADING,
    Method,
    _Model,
    calibrated,
    fit,
    fit_temperature,
    probabilities,
    temperature_calibration,
)


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


@pytest.fixture(scope="module")
def calm() -> Simulated:
    return simulate(3000, classes=5, seed=1)


def test_the_temperature_is_scikit_learns(calm: Simulated) -> None:
    logits = calm.logits * 2.5
    oracle = CalibratedClassifierCV(
        FrozenEstimator(Logits().fit(logits, calm.labels)), method="temperature", ensemble=False
    ).fit(logits, calm.labels)
    beta = oracle.calibrated_classifiers_[0].calibrators[0].beta_
    assert fit_temperature(logits, calm.labels) == pytest.approx(1.0 / beta, rel=1e-3)
    assert fit_temperature(logits, calm.labels) == pytest.approx(2.5, rel=0.1)


@given(st.floats(0.05, 20.0), st.integers(0, 10_000))
def test_temperature_never_changes_the_winner(temperature: float, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(8, 4))
    scaled = calibrated(logits, temperature_calibration(temperature, 4))
    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_a_temperature_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match=r"temperature must be positive, found 0\.0"):
        temperature_calibration(0.0, 3)


def test_temperature_and_bias_undo_one_scale_and_a_shift(calm: Simulated) -> None:
    shift = np.array([1.0, -0.5, 0.0, 0.5, -1.0])
    found = fit("temperature_bias", (calm.logits - shift) * 2.0, calm.labels)
    assert found.scale == pytest.approx([0.5] * 5, rel=0.1)
    assert found.bias == pytest.approx(shift, abs=0.2)
    assert len(set(found.scale)) == 1


def test_vector_scaling_undoes_a_scale_for_each_class() -> None:
    simulated = simulate(8000, classes=3, seed=2)
    wrong = np.array([0.5, 1.0, 2.0])
    found = fit("vector", simulated.logits * wrong, simulated.labels)
    assert found.scale == pytest.approx(1.0 / wrong, rel=0.1)
    assert found.bias == pytest.approx([0.0] * 3, abs=0.15)


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_is_the_slope_of_the_loss(method: Method) -> None:
    simulated = simulate(40, classes=4, seed=3)
    model = _Model(method, simulated.logits, simulated.labels, np.array([0.5, 0.0, -1.0, 0.2]))
    at = np.random.default_rng(4).normal(size=len(model.least())) * 0.3
    if len(at):
        slope = approx_fprime(at, lambda flat: model._loss(flat)[0], 1e-7)
        assert model._loss(at)[1] == pytest.approx(slope, abs=1e-5)
    else:
        assert method == "none"


@pytest.mark.parametrize("offset", [None, np.array([0.7, -0.7, 0.0])])
@pytest.mark.parametrize("method", METHODS)
def test_a_class_without_a_ticket_keeps_its_offset(
    method: Method, offset: np.ndarray | None
) -> None:
    simulated = simulate(300, seed=5)
    seen = simulated.at(np.flatnonzero(simulated.labels != 1))
    found = fit(method, seen.logits, seen.labels, offset)
    assert found.bias[1] == pytest.approx(0.0 if offset is None else -0.7)
    assert np.isfinite([*found.scale, *found.bias]).all()
    assert min(found.scale) > 0.0


@pytest.mark.parametrize("method", METHODS)
def test_without_a_ticket_nothing_but_the_offset_is_applied(method: Method) -> None:
    offset = np.array([0.5, -0.25])
    found = fit(method, np.zeros((0, 2)), np.zeros(0, dtype=np.int64), offset)
    assert (found.scale, found.bias, found.spread) == ((1.0, 1.0), (0.5, -0.25), 0.0)


def test_the_offset_is_added_after_the_temperature(calm: Simulated) -> None:
    offset = np.array([1.0, -0.5, 0.0, 0.5, -1.0])
    found = fit("temperature", (calm.logits - offset) * 3.0, calm.labels, offset)
    assert found.method == "prior+temperature"
    assert found.bias == pytest.approx(offset)
    assert found.scale == pytest.approx([1 / 3] * 5, rel=0.1)


def test_the_offset_alone_is_called_prior(calm: Simulated) -> None:
    assert fit("none", calm.logits, calm.labels, np.ones(5)).method == "prior"
    assert fit("none", calm.logits, calm.labels).method == "none"


@pytest.mark.parametrize("method", METHODS[1:])
def test_no_method_raises_the_loss_of_its_own_tickets(method: Method, calm: Simulated) -> None:
    logits = calm.logits * 1.5 + np.array([0.3, 0.0, 0.0, -0.3, 0.0])
    before = negative_log_likelihood(
        probabilities(logits, fit("none", logits, calm.labels)), calm.labels
    )
    after = negative_log_likelihood(
        probabilities(logits, fit(method, logits, calm.labels)), calm.labels
    )
    assert after < before


@pytest.mark.parametrize("method", sorted(SPREADING))
@pytest.mark.parametrize("share", [0.0, 0.03, 0.1, 0.3])
def test_the_share_of_random_labels_is_found(method: Method, share: float) -> None:
    simulated = simulate(3000, classes=5, seed=6, spread=4.0)
    shift = np.array([0.5, 0.0, -0.5, 0.0, 0.0]) * (method != "temperature_spread")
    labels = mislabelled(simulated, share, seed=7)
    found = fit(method, (simulated.logits - shift) * 2.0, labels)
    assert found.spread == pytest.approx(share, abs=0.03)
    assert found.scale == pytest.approx([0.5] * 5, rel=0.15)
    assert found.bias == pytest.approx(shift, abs=0.35)


def test_a_scale_for_each_class_is_found_behind_random_labels() -> None:
    simulated = simulate(8000, classes=3, seed=2, spread=4.0)
    wrong = np.array([0.5, 1.0, 2.0])
    labels = mislabelled(simulated, 0.1, seed=3)
    found = fit("vector_spread", simulated.logits * wrong, labels)
    assert found.scale == pytest.approx(1.0 / wrong, rel=0.1)
    assert found.spread == pytest.approx(0.1, abs=0.02)


def test_where_every_label_is_random_the_spread_stays_below_its_bound(calm: Simulated) -> None:
    labels = mislabelled(calm, 1.0, seed=8)
    for method in METHODS:
        found = fit(method, calm.logits * 5.0, labels)
        assert 0.0 <= found.spread <= MOST_SPREAD
        assert (found.spread > 0.0) == (method in SPREADING)
        assert np.isfinite(probabilities(calm.logits * 5.0, found)).all()


@given(st.floats(0.0, 0.99), st.integers(0, 10_000))
def test_a_spread_never_changes_the_winner_and_the_shares_add_up(spread: float, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(8, 4))
    plain = temperature_calibration(0.7, 4)
    before = probabilities(logits, plain)
    after = probabilities(logits, plain.model_copy(update={"spread": spread}))
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    assert after.sum(axis=1) == pytest.approx(np.ones(8))
    assert after == pytest.approx(before * (1.0 - spread) + spread / 4.0)


def test_few_tickets_that_are_all_right_do_not_make_the_model_certain() -> None:
    logits = np.tile([[2.0, 0.0]], (12, 1))
    found = probabilities(logits, fit("temperature", logits, np.zeros(12, dtype=np.int64)))
    assert 0.9 < found[0, 0] < 0.9999


def test_a_calibration_holds_what_float32_holds(calm: Simulated) -> None:
    found = fit("vector", calm.logits, calm.labels)
    assert np.array_equal(np.float32(found.scale), found.scale)
    assert np.array_equal(np.float32(found.bias), found.bias)
    spread = fit("temperature_spread", calm.logits, calm.labels).spread
    assert np.float32(spread) == spread
