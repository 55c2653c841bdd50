"""Whether two groups are drawn alike, against scipy and on simulated groups."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association
from statsmodels.stats.multitest import multipletests

from service.statistics.shift import REST, UNKNOWN, merged, shift, shifts

COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 400))
LABELS = tuple("abcdef")


def group(counts: dict[str, int]) -> list[str]:
    return [value for value, count in counts.items() for _ in range(count)]


@given(COUNTS, COUNTS)
def test_the_test_is_scipys_on_the_merged_table(
    first: dict[str, int], second: dict[str, int]
) -> None:
    found = shift(group(first), group(second))
    values, table = merged(first, second)
    if len(values) < 2:
        assert (found.p, found.cramers_v) == (1.0, 0.0)
        return
    oracle = chi2_contingency(table, correction=False)
    assert (found.statistic, found.p) == pytest.approx((oracle.statistic, oracle.pvalue), abs=1e-9)
    assert found.freedom == oracle.dof
    assert found.cramers_v == pytest.approx(association(table, method="cramer"), abs=1e-9)


@given(COUNTS, COUNTS)
def test_merging_loses_no_ticket_and_leaves_no_rare_cell(
    first: dict[str, int], second: dict[str, int]
) -> None:
    values, table = merged(first, second)
    assert table.sum(axis=1).tolist() == [sum(first.values()), sum(second.values())]
    if len(values) > 1:
        assert chi2_contingency(table, correction=False).expected_freq.min() >= 5.0


@given(COUNTS, COUNTS)
def test_the_order_of_the_groups_does_not_matter(
    first: dict[str, int], second: dict[str, int]
) -> None:
    here, there = shift(group(first), group(second)), shift(group(second), group(first))
    assert here.p == pytest.approx(there.p)
    assert here.largest == pytest.approx(there.largest)


def test_groups_that_are_drawn_alike_are_seldom_called_different() -> None:
    chance = np.random.default_rng(4)
    draws = [
        shift(chance.choice(LABELS, 150).tolist(), chance.choice(LABELS, 900).tolist()).p < 0.05
        for _ in range(600)
    ]
    assert 0.02 < np.mean(draws) < 0.08


def test_the_value_that_moved_most_is_named() -> None:
    found = shift(group({"a": 500, "b": 500}), group({"a": 700, "b": 200, "c": 100}), "queue")
    assert found.p < 1e-6
    assert (found.value, found.first_share, found.second_share) == ("b", 0.5, 0.2)
    spread = ((0.5 * 0.5 + 0.2 * 0.8) / 2) ** 0.5
    assert found.largest == pytest.approx(0.3 / spread)


def test_rare_values_are_merged_and_missing_ones_are_a_value() -> None:
    plenty = Counter({"a": 100, "b": 100, "x": 1, "y": 7, "z": 4})
    values, table = merged(plenty, plenty)
    assert values == ["a", "b", "y", REST]
    assert table[0].tolist() == [100, 100, 7, 5]
    assert shift([None] * 50, ["a"] * 50).value in {UNKNOWN, "a"}


def test_too_few_tickets_are_no_evidence() -> None:
    for first, second in [([], []), ([], ["a", "b"]), (["a"], ["b"]), (["a"] * 99, ["a"] * 99)]:
        found = shift(first, second)
        assert (found.p, found.cramers_v, found.value) == (1.0, 0.0, None)
        assert (found.first, found.second) == (len(first), len(second))


def test_several_dimensions_are_adjusted_by_holm_and_the_worst_comes_first() -> None:
    chance = np.random.default_rng(0)
    groups = {
        name: (chance.choice(LABELS, 400).tolist(), chance.choice(LABELS, 400).tolist())
        for name in ("language", "length")
    }
    groups["queue"] = (["a"] * 200 + ["b"] * 200, ["a"] * 300 + ["b"] * 100)
    found = shifts(groups)
    assert found[0].dimension == "queue"
    oracle = multipletests([one.p for one in found], method="holm")[1]
    assert [one.adjusted_p for one in found] == pytest.approx(oracle)
    assert shifts({}) == []
