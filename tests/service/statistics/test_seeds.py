"""The difference of two recipes: what its error covers, and what is left without seeds."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from service.statistics.macro_f1 import resampled_scores, scores
from service.statistics.seeds import Gap, gap


def drawn(
    chance: np.random.Generator, tickets: int, seeds: int, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and two recipes' answers that are alike but for their seeds: (2 x seeds, tickets)."""
    truth_N = chance.choice(3, size=tickets, p=[0.5, 0.3, 0.2])
    hard_N = chance.random(tickets)
    given = []
    for _ in range(2 * seeds):
        share = 0.75 + spread * chance.normal()
        luck_N = 0.6 * hard_N + 0.4 * chance.random(tickets)
        right_N = luck_N < np.quantile(luck_N, min(share, 0.999))
        given.append(np.where(right_N, truth_N, chance.integers(3, size=tickets)))
    return truth_N, np.array(given)


def difference(truth_N: np.ndarray, given_MN: np.ndarray, resamples: int = 200) -> Gap:
    half = len(given_MN) // 2
    seen = scores(truth_N, given_MN, 3).macro_f1_RM[0]
    again = resampled_scores(truth_N, given_MN, 3, resamples).macro_f1_RM
    return gap(seen[:half], seen[half:], again[:, :half], again[:, half:], len(truth_N))


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.0), (3, 0.03)])
def test_equal_recipes_differ_as_seldom_as_the_level_says(seeds: int, spread: float) -> None:
    chance = np.random.default_rng(11)
    found = [difference(*drawn(chance, 500, seeds, spread)) for _ in range(200)]
    assert sum(one.p < 0.05 for one in found) <= 18  # 5 % is 10; 18 and more has chance 0.014.


def test_where_tickets_say_nothing_it_is_students_test() -> None:
    chance = np.random.default_rng(2)
    first_S, second_T = chance.normal(0.8, 0.02, 4), chance.normal(0.77, 0.02, 3)
    still = np.tile(first_S, (50, 1)), np.tile(second_T, (50, 1))
    found, oracle = gap(first_S, second_T, *still, 1000), ttest_ind(first_S, second_T)
    assert found.p == pytest.approx(oracle.pvalue)
    low, high = oracle.confidence_interval(0.9)
    interval = found.interval(0.9)
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_one_seed_a_side_is_about_these_models_alone() -> None:
    found = difference(*drawn(np.random.default_rng(0), 300, 1, 0.0))
    assert found.seed_variance is None
    assert found.freedom == math.inf
    assert found.error == math.sqrt(found.ticket_variance)


def test_exchanging_the_recipes_turns_the_interval_round() -> None:
    truth_N, given_MN = drawn(np.random.default_rng(4), 300, 3, 0.02)
    here, there = difference(truth_N, given_MN), difference(truth_N, np.roll(given_MN, 3, axis=0))
    assert here.estimate == pytest.approx(-there.estimate)
    assert here.interval().low == pytest.approx(-there.interval().high, rel=0.2)


def test_recipes_that_say_the_same_have_no_difference() -> None:
    truth_N, given_MN = drawn(np.random.default_rng(5), 100, 1, 0.0)
    found = difference(truth_N, np.concatenate([given_MN[:1], given_MN[:1]]))
    assert (found.estimate, found.error, found.p) == (0.0, 0.0, 1.0)


def test_scores_of_other_shapes_are_refused() -> None:
    one, two = np.zeros(1), np.zeros(2)
    with pytest.raises(ValueError, match="resampled score of each seed"):
        gap(one, two, np.zeros((9, 1)), np.zeros((9, 1)), 10)
    with pytest.raises(ValueError, match=r"found 1\.5"):
        gap(one, one, np.zeros((9, 1)), np.zeros((9, 1)), 10).interval(1.5)
