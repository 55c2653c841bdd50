"""The simulations of `tests.benchmarks.fortnights` in small numbers."""

import numpy as np
import pytest

from tests.benchmarks import fortnights, planted
from tests.benchmarks.bounds import Bound, Figure, at_least, at_most, within
from tests.benchmarks.interval_coverage import (
    bootstrap_coverage,
    paired_coverage,
    wilson_coverage,
)


@pytest.mark.parametrize("setting", fortnights.NULLS, ids=lambda setting: setting.name)
def test_hourly_looks_seldom_end_in_a_false_verdict(setting: fortnights.Setting) -> None:
    found = fortnights.simulate(setting, runs=300)
    assert found.promoted <= 0.06
    assert found.rolled_back <= 0.06
    assert found.covered >= 0.94


def test_a_gain_of_a_point_is_promoted_within_the_fortnight() -> None:
    found = fortnights.simulate(fortnights.GAINS[0], runs=200)
    assert found.promoted >= 0.7
    assert found.rolled_back <= 0.02
    assert found.day is not None


def test_wilson_covers_what_it_says() -> None:
    assert 0.94 <= wilson_coverage(500, np.linspace(0.02, 0.2, 19)) <= 0.96


@pytest.mark.parametrize("setting", [(200, 0.0, 0.04), (500, 0.01, 0.08), (1000, -0.03, 0.15)])
def test_the_paired_interval_covers_what_it_says(setting: tuple[int, float, float]) -> None:
    assert 0.94 <= paired_coverage(*setting) <= 0.97


def test_the_bootstrap_covers_what_it_says() -> None:
    assert bootstrap_coverage(1000, 0.01, 0.08, runs=400) >= 0.92


def test_a_planted_regression_stands_among_the_worst() -> None:
    assert planted.found_share(20, planted.ZIPF) >= 0.8
    assert planted.found_share(20, planted.EVEN) >= 0.7


def test_a_bound_says_what_it_allows_and_whether_it_holds() -> None:
    assert Figure("a", 0.05, at_most(0.05)).row() == ("a", "5.00%", "at most 5.00%", "yes")
    assert Figure("a", 0.69, at_least(0.7)).row()[2:] == ("at least 70.00%", "NO")
    assert Figure("a", 0.93, within(0.94, 0.96)).row()[2:] == ("94.00% to 96.00%", "NO")
    assert Figure("a", 5.54, unit="days").row() == ("a", "5.5 days", "", "")
    assert Figure("a", 1.0, Bound()).holds


@pytest.mark.slow
def test_the_whole_table_holds_in_a_tenth_of_the_runs() -> None:
    for figure in [*fortnights.errors(1000), *fortnights.gains(1000)]:
        assert figure.holds, figure
