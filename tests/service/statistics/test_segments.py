"""Segments against scipy's exact tests, statsmodels' Holm and a planted regression."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact
from statsmodels.stats.multitest import multipletests

from service.statistics.intervals import wilson
from service.statistics.paired import Pairs, paired_difference
from service.statistics.segments import (
    REST,
    UNKNOWN,
    excess_losses,
    grouped,
    rank_disagreement,
    rank_gaps,
)

N = 3000


def desk(seed: int = 0) -> tuple[dict[str, list[str | None]], np.ndarray, np.ndarray]:
    """Values in two dimensions, and whether challenger and incumbent were right."""
    chance = np.random.default_rng(seed)
    category = chance.choice(["billing", "technical", "sales", "rare"], N, p=[0.4, 0.4, 0.19, 0.01])
    queue = np.where(chance.random(N) < 0.3, None, "payments")
    dimensions = {"category": category.tolist(), "queue": queue.tolist()}
    return dimensions, chance.random(N) < 0.88, chance.random(N) < 0.87


def inside(values: Sequence[str | None], value: str) -> np.ndarray:
    return np.array([(UNKNOWN if one is None else one) == value for one in values])


def test_each_segment_is_the_exact_test_on_its_own_tickets() -> None:
    dimensions, challenger, incumbent = desk()
    for found in rank_gaps(dimensions, challenger, incumbent, least=1):
        mask = inside(dimensions[found.dimension], found.value)
        assert found.pairs == Pairs.from_right(challenger[mask], incumbent[mask])
        oracle = binomtest(found.pairs.challenger, found.pairs.discordant, alternative="less")
        assert found.p == pytest.approx(oracle.pvalue)
        assert found.interval == paired_difference(found.pairs)


def test_each_disagreement_is_fishers_test_against_the_other_tickets() -> None:
    dimensions, differs, _ = desk()
    for found in rank_disagreement(dimensions, differs, least=1):
        mask = inside(dimensions[found.dimension], found.value)
        here, there = differs[mask], differs[~mask]
        table = [[here.sum(), (~here).sum()], [there.sum(), (~there).sum()]]
        assert found.p == pytest.approx(fisher_exact(table).pvalue)
        assert found.interval == wilson(found.differing, found.n)
        assert found.rate == pytest.approx(here.mean())


def test_p_values_are_adjusted_over_all_segments() -> None:
    dimensions, challenger, incumbent = desk()
    gaps = rank_gaps(dimensions, challenger, incumbent)
    rates = rank_disagreement(dimensions, challenger != incumbent)
    for values in ([(g.p, g.adjusted_p) for g in gaps], [(r.p, r.adjusted_p) for r in rates]):
        raw, adjusted = zip(*values, strict=True)
        assert adjusted == pytest.approx(multipletests(raw, method="holm")[1])
    assert [one.p for one in rates] == sorted(one.p for one in rates)


def test_segments_in_which_the_challenger_is_worse_come_first_by_their_excess() -> None:
    dimensions, challenger, incumbent = desk()
    found = rank_gaps(dimensions, challenger, incumbent, least=1)
    ranks = [(one.gap >= 0.0, -one.excess) for one in found]
    assert ranks == sorted(ranks)
    assert {one.gap >= 0.0 for one in found} == {True, False}


def test_excess_losses_are_standard_normal_where_segments_are_alike() -> None:
    chance = np.random.default_rng(5)
    n = np.array([100, 300, 600, 2000])
    drawn = [
        excess_losses(chance.binomial(n, 0.04), chance.binomial(n, 0.05), n) for _ in "x" * 800
    ]
    assert np.mean(drawn, axis=0) == pytest.approx(np.zeros(4), abs=0.15)
    assert np.std(drawn, axis=0)[:3] == pytest.approx(np.ones(3), abs=0.15)


def test_losses_of_segments_that_differ_in_hardness_are_measured_by_their_wins() -> None:
    n = np.array([1000, 1000, 1000, 1000])
    alike, hard = np.array([40, 40, 40, 40]), np.array([10, 25, 40, 85])
    planted = np.array([40, 40, 40, 65])
    assert excess_losses(alike, planted, n)[3] > 2.0
    assert excess_losses(alike, hard, n)[3] > 4.0
    assert np.all(np.abs(excess_losses(hard, hard, n)) < 0.8)


@pytest.mark.parametrize("counts", [([0, 0], [0, 0]), ([0, 0], [3, 0]), ([0, 4], [0, 0])])
def test_few_counts_give_finite_excesses(counts: tuple[list[int], list[int]]) -> None:
    found = excess_losses(*counts, [30, 60])
    assert np.all(np.isfinite(found))
    assert found[0] <= 2.5


def test_the_segments_of_a_dimension_add_up_to_all_tickets() -> None:
    dimensions, challenger, incumbent = desk()
    found = rank_gaps(dimensions, challenger, incumbent, least=50)
    for dimension in dimensions:
        parts = [one.pairs for one in found if one.dimension == dimension]
        assert sum(pairs.n for pairs in parts) == N
        assert sum(pairs.challenger for pairs in parts) == int((challenger & ~incumbent).sum())


def test_a_planted_regression_is_the_worst_segment() -> None:
    dimensions, challenger, incumbent = desk()
    sales = inside(dimensions["category"], "sales")
    lost = sales & (np.random.default_rng(1).random(N) < 0.2)
    worst = rank_gaps(dimensions, challenger & ~lost, incumbent | lost)[0]
    assert (worst.dimension, worst.value) == ("category", "sales")
    assert worst.adjusted_p < 1e-4
    worst_rate = rank_disagreement(dimensions, lost)[0]
    assert (worst_rate.dimension, worst_rate.value) == ("category", "sales")


def test_small_segments_and_those_beyond_the_most_join_the_rest() -> None:
    values = ["a"] * 40 + ["b"] * 35 + ["c"] * 31 + ["d"] * 5 + [None] * 4
    names, places = grouped(values, least=30, most=2)
    assert names == ["a", "b", REST]
    assert np.bincount(places).tolist() == [40, 35, 40]
    assert grouped(values, least=1)[0] == ["a", "b", "c", "d", UNKNOWN]


def test_a_dimension_with_one_value_says_nothing_new() -> None:
    right = np.ones(50, dtype=bool)
    assert rank_gaps({"language": ["en"] * 50}, right, right) == []
    assert rank_disagreement({}, right) == []


def test_other_lengths_are_refused() -> None:
    right = np.ones(3, dtype=bool)
    with pytest.raises(ValueError, match="queue needs 3 values, found 2"):
        rank_gaps({"queue": ["a", "b"]}, right, right)
