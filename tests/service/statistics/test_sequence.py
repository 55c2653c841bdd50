"""Thresholds by fixed-sequence testing: against a plain walk with scipy's exact test, and how often
they promise too much.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from service.statistics.intervals import clopper_pearson_low
from service.statistics.sequence import fixed_sequence, needed


def passes(accepted: np.ndarray, target: float, alpha: float) -> bool:
    right = int(accepted.sum())
    return bool(binomtest(right, len(accepted), target, alternative="greater").pvalue <= alpha)


def walk(confidence: np.ndarray, right: np.ndarray, target: float) -> float | None:
    """The definition: from two starts, or one, down all distinct confidences."""
    two, one = (math.ceil(math.log(alpha) / math.log(target)) for alpha in (0.025, 0.05))
    starts = [two, 2 * two] if 2 * two <= len(right) else [one] if one <= len(right) else []
    surest_first = np.sort(confidence)[::-1]
    begins = [surest_first[start - 1] for start in starts]
    carried, found = 0.0, None
    for threshold in np.unique(confidence)[::-1] if starts else []:
        carried += sum(0.05 / len(starts) for begin in begins if begin == threshold)
        if carried and passes(right[confidence >= threshold], target, carried):
            found = float(threshold)
        else:
            carried = 0.0
    return found


def calibrated(chance: np.random.Generator, tickets: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of a calibrated model of accuracy .88, and whether it was right."""
    confidence = chance.beta(4.4, 0.6, tickets)
    return confidence, chance.random(tickets) < confidence


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 200),
    st.sampled_from([0.7, 0.9]),
    st.sampled_from([1, 4]),
)
def test_the_threshold_is_the_one_of_a_plain_walk(
    seed: int, tickets: int, target: float, decimals: int
) -> None:
    """With one decimal, many tickets are equally sure."""
    confidence, right = calibrated(np.random.default_rng(seed), tickets)
    confidence = np.round(confidence, decimals)
    assert fixed_sequence(confidence, right, target) == walk(confidence, right, target)


@pytest.mark.parametrize(("target", "tickets"), [(0.9, 29), (0.95, 59), (0.97, 99), (0.99, 299)])
def test_needed_is_the_least_number_that_can_show_a_target(target: float, tickets: int) -> None:
    assert needed(target) == tickets
    fewer = tickets - 1
    assert clopper_pearson_low(tickets, tickets) >= target > clopper_pearson_low(fewer, fewer)
    confidence = np.linspace(1, 0.5, tickets)
    assert fixed_sequence(confidence, np.ones(tickets, dtype=bool), target) == 0.5
    assert fixed_sequence(confidence[:fewer], np.ones(fewer, dtype=bool), target) is None


@pytest.mark.parametrize("tickets", [150, 1000])
def test_a_model_just_below_the_target_seldom_gets_a_threshold(tickets: int) -> None:
    """Every threshold is a false promise here, so that this is the family-wise error."""
    chance = np.random.default_rng(tickets)
    false = [
        fixed_sequence(chance.random(tickets), chance.random(tickets) < 0.9499, 0.95) is not None
        for _ in range(2000)
    ]
    assert 0.01 < np.mean(false) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_a_threshold_of_a_calibrated_model_seldom_promises_too_much() -> None:
    """The true precision from a threshold on is the mean of the confidences from it on."""
    chance, broken = np.random.default_rng(7), []
    population = np.sort(chance.beta(4.4, 0.6, 200_000))
    above = np.cumsum(population[::-1])[::-1] / np.arange(len(population), 0, -1)
    for _ in range(600):
        found = fixed_sequence(*calibrated(chance, 800), 0.95)
        if found is not None:
            broken.append(above[np.searchsorted(population, found)] < 0.95)
    assert len(broken) > 500
    assert np.mean(broken) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def accepted_from_one_start(confidence: np.ndarray, right: np.ndarray, target: float) -> int:
    """Tickets that a walk from the strictest feasible threshold accepts, all of alpha at hand."""
    count = np.arange(1, len(right) + 1)
    p = binom.sf(np.cumsum(right[np.argsort(-confidence)]) - 1, count, target)
    failed = np.flatnonzero(p[needed(target) - 1 :] > 0.05)
    steps = failed[0] if len(failed) else len(right) - needed(target) + 1
    return int(steps) and needed(target) - 1 + int(steps)


@pytest.mark.parametrize(("tickets", "target"), [(500, 0.9), (1000, 0.95), (3800, 0.97)])
def test_two_starts_accept_more_than_the_strictest_alone(tickets: int, target: float) -> None:
    chance, two, one = np.random.default_rng(tickets), [], []
    for _ in range(100):
        confidence, right = calibrated(chance, tickets)
        found = fixed_sequence(confidence, right, target)
        two.append(0.0 if found is None else np.mean(confidence >= found))
        one.append(accepted_from_one_start(confidence, right, target) / tickets)
    assert np.mean(two) > np.mean(one) + 0.01


def test_a_long_row_of_right_ones_after_a_failed_walk_is_not_looked_at() -> None:
    """P of the last thresholds is 0 to the last bit, yet nothing is left to spend on them."""
    right = np.arange(200_000) >= 2000
    confidence = np.linspace(1.0, 0.5, len(right))
    assert fixed_sequence(confidence, right, 0.5) is None


def test_the_order_of_the_tickets_says_nothing() -> None:
    chance = np.random.default_rng(5)
    confidence, right = calibrated(chance, 3800)
    confidence = np.round(confidence, 2)
    shuffled = chance.permutation(3800)
    found = fixed_sequence(confidence, right, 0.95)
    assert found is not None
    assert found in confidence
    assert found == fixed_sequence(confidence[shuffled], right[shuffled], 0.95)


def test_a_stricter_level_never_gives_a_looser_threshold_to_a_perfect_model() -> None:
    confidence, right = np.linspace(1, 0, 500), np.arange(500) < 400
    thresholds = [fixed_sequence(confidence, right, 0.95, level) for level in (0.8, 0.95, 0.999)]
    assert None not in thresholds
    assert thresholds == sorted(thresholds)


def test_a_model_that_is_always_wrong_gets_no_threshold() -> None:
    assert fixed_sequence(np.linspace(1, 0, 500), np.zeros(500, dtype=bool), 0.1) is None


def test_no_ticket_shows_nothing() -> None:
    assert fixed_sequence(np.array([]), np.array([], dtype=bool), 0.5) is None


def test_impossible_promises_are_refused() -> None:
    with pytest.raises(ValueError, match=r"target must lie within 0 and 1, found 1\.0"):
        needed(1.0)
    with pytest.raises(ValueError, match=r"level must lie within 0 and 1, found 0\.0"):
        fixed_sequence(np.ones(9), np.ones(9, dtype=bool), 0.9, level=0.0)
    with pytest.raises(ValueError, match="found 2 and 1"):
        fixed_sequence(np.ones(2), np.ones(1, dtype=bool), 0.9)
