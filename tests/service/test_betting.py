"""Evidence about a mean: what it refutes, and how seldom it errs however often one looks."""

import math

import numpy as np
import pytest

from service.reliability.betting import Counted, bounds, counted, log_wealth
from service.statistics import eprocess

ALPHA = 0.05


@pytest.mark.parametrize("target", [0.5, 0.9, 0.97])
def test_of_right_and_wrong_the_wealth_is_the_e_process_s(target: float) -> None:
    for right, wrong in [(0, 0), (10, 0), (0, 4), (300, 30)]:
        expected = eprocess.log_wealth(right, 0, wrong, -target, "worse")
        found = log_wealth(Counted(np.array([0.0, 1.0]), np.array([right, wrong])), 1 - target)
        assert found == pytest.approx(float(expected), abs=1e-9)


def test_a_bound_is_the_mean_that_the_wealth_has_just_not_refuted() -> None:
    seen = counted(np.random.default_rng(0).choice([0.0, 0.2, 1.0], size=300))
    found = bounds(seen, ALPHA)
    assert log_wealth(seen, found.low) == pytest.approx(-math.log(ALPHA), abs=1e-6)
    assert log_wealth(seen.mirrored, 1 - found.high) == pytest.approx(-math.log(ALPHA), abs=1e-6)


def test_values_and_means_outside_of_0_and_1_are_refused() -> None:
    with pytest.raises(ValueError, match="values must lie within 0 and 1"):
        counted([0.5, 1.5])
    with pytest.raises(ValueError, match=r"the mean must lie within 0 and 1, found 1\.5"):
        log_wealth(counted([0.5]), 1.5)


def _raised_at(precision: float, target: float, seed: int) -> list[float]:
    """Labels at which `broken` is first seen in each of 200 runs, looking after every label."""
    wrong_RN = np.cumsum(np.random.default_rng(seed).random((200, 1_500)) >= precision, axis=1)
    right_RN = np.arange(1, 1_501) - wrong_RN
    # The wealth of all runs at once; a test above says that it is the same.
    wealth_RN = eprocess.log_wealth(right_RN, 0, wrong_RN, -target, "worse")
    raised_RN = wealth_RN >= -math.log(ALPHA)
    first_R = np.where(raised_RN.any(axis=1), raised_RN.argmax(axis=1) + 1, np.inf)
    return [float(first) for first in first_R]


@pytest.mark.parametrize("target", [0.9, 0.97])
def test_a_promise_kept_exactly_is_seldom_called_broken_however_often_one_looks(
    target: float,
) -> None:
    raised = _raised_at(target, target, seed=3)
    assert sum(math.isfinite(at) for at in raised) / len(raised) <= ALPHA


@pytest.mark.parametrize(("target", "labels"), [(0.9, 400), (0.97, 200)])
def test_a_drop_of_five_points_is_seen_within_some_hundreds_of_labels(
    target: float, labels: int
) -> None:
    raised = _raised_at(target - 0.05, target, seed=4)
    assert np.median(raised) <= labels
    assert max(raised) <= 1_500


def test_costs_that_are_as_promised_are_seldom_called_broken() -> None:
    rng, runs, raised = np.random.default_rng(5), 100, 0
    values, chances = np.array([0.0, 1 / 8, 1.0]), np.array([0.7, 0.28, 0.02])
    mean = float(values @ chances)
    for _ in range(runs):
        drawn = rng.choice(3, size=1_000, p=chances)
        counts = np.array([np.cumsum(drawn == value)[19::20] for value in range(3)]).T
        raised += any(log_wealth(Counted(values, now), mean) >= -math.log(ALPHA) for now in counts)
    assert raised / runs <= ALPHA
