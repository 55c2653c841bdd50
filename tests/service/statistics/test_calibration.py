"""Calibration error and intervals against independent implementations and simulation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, kstest
from sklearn.calibration import calibration_curve
from torchmetrics.classification import MulticlassCalibrationError

from service.statistics.calibration import (
    calibration_interval,
    classwise_calibration_error,
    consistency_p,
    debiased_calibration_error,
    expected_calibration_error,
    reliability,
)
from service.statistics.intervals import Interval, clopper_pearson, clopper_pearson_low, wilson


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


def test_equal_mass_is_torchmetrics_equal_width_where_the_bins_coincide() -> None:
    """Evenly spread confidences above one half fill the upper 15 of 30 bins equally."""
    confidence = 0.5 + (np.arange(600) + 0.5) / 1200
    right = np.random.default_rng(0).random(600) < confidence**2
    pair = np.stack([1.0 - confidence, confidence], axis=1)
    oracle = MulticlassCalibrationError(num_classes=2, n_bins=30, norm="l1")
    found = oracle(torch.tensor(pair), torch.tensor(right.astype(int)))
    assert expected_calibration_error(confidence, right) == pytest.approx(float(found), abs=1e-6)


def test_half_of_the_bias_is_taken_off_a_calibrated_model_of_3500_tickets() -> None:
    """A calibrated model's plug-in error is .014 there (FACTS); the debiased one is near .008."""
    runs = []
    for seed in range(60):
        chance = np.random.default_rng(seed)
        confidence = chance.beta(4.4, 0.57, 3500)
        runs.append((confidence, chance.random(3500) < confidence))
    plain = float(np.mean([expected_calibration_error(*run) for run in runs]))
    debiased = float(np.mean([debiased_calibration_error(*run) for run in runs]))
    assert plain == pytest.approx(0.014, abs=0.002)
    assert debiased == pytest.approx(0.0085, abs=0.0015)


def test_consistency_p_is_uniform_of_calibrated_models() -> None:
    found = [consistency_p(*simulate(400, seed), resamples=199, seed=seed) for seed in range(300)]
    assert kstest(found, "uniform").pvalue > 0.01


def test_consistency_p_is_small_of_models_that_are_too_sure() -> None:
    found = [consistency_p(*simulate(1000, seed, shift=0.06)) for seed in range(20)]
    assert np.mean(np.array(found) < 0.05) > 0.9
    assert consistency_p(*simulate(1000, 0, shift=0.3), resamples=99) == 0.01


def test_consistency_p_is_the_share_of_drawn_labels_with_as_large_an_error() -> None:
    confidence, right = simulate(300, 4)
    observed = expected_calibration_error(confidence, right)
    chance = np.random.default_rng(1)
    drawn = [
        expected_calibration_error(confidence, chance.random(300) < confidence) for _ in range(500)
    ]
    oracle = np.mean(np.array(drawn) >= observed)
    assert 0.1 < oracle < 0.9
    assert consistency_p(confidence, right, resamples=4000) == pytest.approx(oracle, abs=0.07)


def test_a_sure_and_right_model_is_consistent() -> None:
    sure, right = np.ones(20), np.ones(20, dtype=bool)
    assert consistency_p(sure, right) == 1.0
    assert calibration_interval(sure, right) == Interval(0.0, 0.0)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1])
def test_the_interval_covers_the_true_error(shift: float) -> None:
    covered = []
    for seed in range(60):
        chance = np.random.default_rng(seed)
        truth = 0.85 * chance.beta(8, 1.2, 1500)
        right = chance.random(1500) < truth
        found = calibration_interval(truth + shift, right, resamples=100, seed=seed)
        covered.append(found.low <= shift <= found.high)
    assert np.mean(covered) >= 0.88


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 400), st.sampled_from([0.0, -0.2, 0.1]))
def test_the_interval_holds_the_debiased_error(seed: int, count: int, shift: float) -> None:
    run = simulate(count, seed, shift)
    found = calibration_interval(*run, resamples=60)
    assert 0.0 <= found.low <= debiased_calibration_error(*run) <= found.high <= 1.0
    assert (found.low == 0.0) or consistency_p(*run, resamples=60) <= 0.05
    assert found == calibration_interval(*run, resamples=60)


def test_a_known_p_is_not_asked_again() -> None:
    run = simulate(1000, 1, shift=0.1)
    assert calibration_interval(*run, p=consistency_p(*run)) == calibration_interval(*run)
    assert calibration_interval(*run, p=0.9).low == 0.0 < calibration_interval(*run).low


def test_a_higher_level_gives_a_wider_interval() -> None:
    run = simulate(1000, 1, shift=0.1)
    narrow, wide = (calibration_interval(*run, level=level) for level in (0.5, 0.99))
    assert 0.0 < wide.low < narrow.low < narrow.high < wide.high
    with pytest.raises(ValueError, match=r"found 1\.0"):
        calibration_interval(*run, level=1.0)


def test_of_two_labels_the_classwise_error_is_that_of_either() -> None:
    second, right = simulate(1500, 2, shift=-0.05)
    pair = np.stack([1.0 - second, second], axis=1)
    found = classwise_calibration_error(pair, right.astype(int))
    assert found == pytest.approx(debiased_calibration_error(second, right), abs=1e-9)


def test_labels_without_a_ticket_do_not_count_in_the_classwise_error() -> None:
    chance = np.random.default_rng(3)
    probabilities = chance.dirichlet([1, 1, 1], 500)
    labels = chance.integers(2, size=500)
    oracle = [debiased_calibration_error(probabilities[:, c], labels == c) for c in (0, 1)]
    assert classwise_calibration_error(probabilities, labels) == pytest.approx(np.mean(oracle))
    with pytest.raises(ValueError, match="found 0"):
        classwise_calibration_error(probabilities[:0], labels[:0])


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


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_clopper_pearson_is_scipys_exact_interval(trials: int, share: float, level: float) -> None:
    successes = round(trials * share)
    found = clopper_pearson(successes, trials, level)
    oracle = binomtest(successes, trials).proportion_ci(level, method="exact")
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-9)
    one_sided = binomtest(successes, trials, alternative="greater").proportion_ci(level)
    assert clopper_pearson_low(successes, trials, level) == pytest.approx(one_sided.low, abs=1e-9)


@pytest.mark.parametrize("trials", [1, 20, 300])
def test_clopper_pearson_never_covers_less_than_it_says(trials: int) -> None:
    """Exact: the chance of every count, at shares over the whole range."""
    counts = np.arange(trials + 1)
    both = [clopper_pearson(successes, trials) for successes in counts.tolist()]
    low = np.array([interval.low for interval in both])
    high = np.array([interval.high for interval in both])
    one_sided = np.array([clopper_pearson_low(k, trials) for k in counts.tolist()])
    for share in np.linspace(0.001, 0.999, 97):
        chance = binom.pmf(counts, trials, share)
        assert chance[(low <= share) & (share <= high)].sum() >= 0.95 - 1e-9
        assert chance[one_sided <= share].sum() >= 0.95 - 1e-9


def test_clopper_pearson_without_trials_knows_nothing() -> None:
    assert clopper_pearson(0, 0) == Interval(0.0, 1.0)
    with pytest.raises(ValueError, match="found 4"):
        clopper_pearson(4, 3)
    with pytest.raises(ValueError, match="found -1"):
        clopper_pearson_low(-1, 3)
    with pytest.raises(ValueError, match=r"found 1\.0"):
        clopper_pearson_low(1, 3, level=1.0)
