"""Calibration error and intervals against independent implementations and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve

from service.statistics.calibration import (
    debiased_calibration_error,
    expected_calibration_error,
    reliability,
)
from service.statistics.intervals import wilson


def simulate(count: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    confidence = chance.beta(8, 1.2, count)
    return np.clip(confidence + shift, 0, 1), chance.random(count) < confidence


def test_reliability_is_scikit_learns_curve_over_quantiles() -> None:
    confidence, correct = simulate(1500, 0)
    table = reliability(confidence, correct, bins=10)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=10, strategy="quantile")
    assert table.accuracy == pytest.approx(accuracy, abs=0.01)
    assert table.confidence == pytest.approx(mean, abs=0.01)
    assert table.count.sum() == 1500


def test_a_calibrated_model_has_a_plug_in_error_and_a_much_smaller_debiased_one() -> None:
    runs = [simulate(1000, seed) for seed in range(60)]
    plain = float(np.mean([expected_calibration_error(*run) for run in runs]))
    debiased = float(np.mean([debiased_calibration_error(*run) for run in runs]))
    assert 0.015 < plain < 0.035
    assert debiased < 0.65 * plain


def test_a_shift_is_measured_as_itself() -> None:
    confidence, correct = simulate(40_000, 3, shift=-0.1)
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.1, abs=0.01)
    assert debiased_calibration_error(confidence, correct) == pytest.approx(0.1, abs=0.01)


def test_a_sure_and_right_model_has_no_error() -> None:
    assert expected_calibration_error(np.ones(7), np.ones(7, dtype=bool)) == 0.0
    assert debiased_calibration_error(np.ones(7), np.ones(7, dtype=bool)) == 0.0


def test_no_predictions_are_refused() -> None:
    with pytest.raises(ValueError, match="found 0 and 0"):
        reliability(np.array([]), np.array([], dtype=bool))


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys(trials: int, share: float, level: float) -> None:
    successes = round(trials * share)
    found = wilson(successes, trials, level)
    oracle = binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


def test_wilson_without_trials_knows_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    with pytest.raises(ValueError, match="found 4"):
        wilson(4, 3)
