"""Paired differences against statsmodels, scipy and a likelihood that is maximised by search."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from scipy.stats import binomtest, norm
from statsmodels.stats.contingency_tables import mcnemar

from service.statistics.paired import (
    Pairs,
    bootstrap_difference,
    exact_mcnemar,
    one_sided_mcnemar,
    paired_difference,
    paired_differences,
)

COUNTS = st.integers(0, 300)
TABLES = st.builds(Pairs, COUNTS, COUNTS, COUNTS, COUNTS)


def score_by_search(pairs: Pairs, gap: float) -> float:
    """The score of a supposed gap: its nuisance found by searching the multinomial likelihood."""
    wins, losses, ties = pairs.challenger, pairs.incumbent, pairs.n - pairs.discordant

    def unlikeliness(loss: float) -> float:
        win, tie = loss + gap, max(0.0, 1 - 2 * loss - gap)
        return -float(xlogy(wins, win) + xlogy(losses, loss) + xlogy(ties, tie))

    bounds = max(0.0, -gap) + 1e-12, (1 - gap) / 2 - 1e-12
    loss = minimize_scalar(
        unlikeliness, bounds=bounds, method="bounded", options={"xatol": 1e-12}
    ).x
    return (wins - losses - pairs.n * gap) / math.sqrt(pairs.n * (2 * loss + gap - gap**2))


@given(TABLES)
def test_the_exact_test_is_that_of_statsmodels(pairs: Pairs) -> None:
    table = [[pairs.both, pairs.challenger], [pairs.incumbent, pairs.neither]]
    oracle = mcnemar(table, exact=True).pvalue if pairs.discordant else 1.0
    assert exact_mcnemar(pairs) == pytest.approx(oracle, abs=1e-12)


@given(TABLES)
def test_the_one_sided_test_is_scipys_binomial_test(pairs: Pairs) -> None:
    if pairs.discordant:
        oracle = binomtest(pairs.challenger, pairs.discordant, alternative="less").pvalue
        assert one_sided_mcnemar(pairs) == pytest.approx(oracle, abs=1e-12)
    else:
        assert one_sided_mcnemar(pairs) == 1.0


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("counts", [(40, 12, 5, 3), (150, 4, 9, 37), (900, 45, 35, 20)])
def test_the_score_at_a_bound_is_the_quantile(
    counts: tuple[int, int, int, int], level: float
) -> None:
    pairs, quantile = Pairs(*counts), norm.ppf((1 + level) / 2)
    found = paired_difference(pairs, level)
    assert score_by_search(pairs, found.low) == pytest.approx(quantile, abs=1e-4)
    assert score_by_search(pairs, found.high) == pytest.approx(-quantile, abs=1e-4)


@settings(max_examples=50)
@given(TABLES)
def test_the_interval_holds_the_gap_and_stays_within_its_range(pairs: Pairs) -> None:
    found = paired_difference(pairs)
    assert -1.0 <= found.low <= pairs.gap + 1e-12
    assert pairs.gap - 1e-12 <= found.high <= 1.0


@settings(max_examples=50)
@given(TABLES)
def test_exchanging_the_models_turns_the_interval_round(pairs: Pairs) -> None:
    turned = Pairs(pairs.both, pairs.incumbent, pairs.challenger, pairs.neither)
    here, there = paired_difference(pairs), paired_difference(turned)
    assert (here.low, here.high) == pytest.approx((-there.high, -there.low), abs=1e-9)


@settings(max_examples=20)
@given(st.lists(TABLES, max_size=5))
def test_many_intervals_are_those_of_each_alone(tables: list[Pairs]) -> None:
    assert paired_differences(tables) == [paired_difference(pairs) for pairs in tables]


def test_the_bootstrap_agrees_with_the_formula_on_many_tickets() -> None:
    pairs = Pairs(8_000, 450, 350, 1_200)
    formula, drawn = paired_difference(pairs), bootstrap_difference(pairs)
    assert (drawn.low, drawn.high) == pytest.approx((formula.low, formula.high), abs=5e-4)
    assert bootstrap_difference(pairs) == drawn


@given(st.lists(st.tuples(*3 * [st.sampled_from("abc")]), max_size=60))
def test_labels_are_counted_into_the_four_cells(rows: list[tuple[str, str, str]]) -> None:
    challenger, incumbent, final = ([row[place] for row in rows] for place in range(3))
    pairs = Pairs.from_labels(challenger, incumbent, final)
    assert pairs.n == len(rows)
    assert pairs.both == sum(a == b == c for a, b, c in rows)
    assert pairs.challenger_right == sum(a == c for a, _, c in rows)
    assert pairs.incumbent_right == sum(b == c for _, b, c in rows)
    assert pairs.gap * len(rows) == pytest.approx(pairs.challenger_right - pairs.incumbent_right)


def test_no_tickets_say_nothing() -> None:
    nothing = Pairs(0, 0, 0, 0)
    assert nothing.gap == 0.0
    assert exact_mcnemar(nothing) == one_sided_mcnemar(nothing) == 1.0
    for found in (paired_difference(nothing), bootstrap_difference(nothing)):
        assert (found.low, found.high) == (-1.0, 1.0)


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Pairs(1, -1, 0, 0)
    with pytest.raises(ValueError, match="found 1, 0 and 1"):
        Pairs.from_labels(["a"], [], ["a"])
    with pytest.raises(ValueError, match="found 1 and 2"):
        Pairs.from_right(np.array([True]), np.array([True, False]))
    with pytest.raises(ValueError, match=r"found 1\.5"):
        paired_difference(Pairs(1, 1, 1, 1), level=1.5)
