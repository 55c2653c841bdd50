"""Verdicts on simulated series of cosines, whose true means are known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, ttest_1samp

from training.diagnostics.verdict import LEAST, judge, judge_all, judge_pairs, mean_interval

FloatArray = NDArray[np.float64]


def wandering(
    random: np.random.Generator, n: int, mean: float, spread: float, memory: float
) -> FloatArray:
    """A series around a mean in which each value keeps a share `memory` of the one before."""
    apart_N = np.empty(n)
    apart_N[0] = random.normal()
    for place in range(1, n):
        fresh = np.sqrt(1 - memory**2) * random.normal()
        apart_N[place] = memory * apart_N[place - 1] + fresh
    return mean + spread * apart_N


def simulate(count: int, n: int, mean: float, spread: float, memory: float) -> list[FloatArray]:
    random = np.random.default_rng(11)
    return [wandering(random, n, mean, spread, memory) for _ in range(count)]


@pytest.mark.parametrize(
    ("n", "memory", "least"),
    [(20, 0.0, 0.94), (20, 0.3, 0.91), (40, 0.6, 0.90), (100, 0.6, 0.92), (100, 0.8, 0.90)],
)
def test_the_interval_holds_the_mean_though_neighbours_resemble_each_other(
    n: int, memory: float, least: float
) -> None:
    found = [mean_interval(one) for one in simulate(1000, n, 0.2, 0.3, memory)]
    assert np.mean([abs(mean - 0.2) <= half for mean, half in found]) >= least


def test_a_plain_interval_would_not_hold_it() -> None:
    series = simulate(1000, 100, 0.2, 0.3, 0.8)
    plain = [ttest_1samp(one, 0.0).confidence_interval() for one in series]
    assert np.mean([low <= 0.2 <= high for low, high in plain]) < 0.6


def test_without_memory_the_interval_is_about_the_bootstraps() -> None:
    (values_N,) = simulate(1, 400, 0.0, 0.3, 0.0)
    mean, half = mean_interval(values_N)
    oracle = bootstrap((values_N,), np.mean, rng=np.random.default_rng(1)).confidence_interval
    assert mean - half == pytest.approx(oracle.low, abs=0.006)
    assert mean + half == pytest.approx(oracle.high, abs=0.006)


def test_values_that_alternate_narrow_nothing() -> None:
    values_N = np.tile([0.1, -0.1], 20)
    assert (
        mean_interval(values_N)[1] >= 0.99 * ttest_1samp(values_N, 0.0).confidence_interval().high
    )


@pytest.mark.parametrize(
    ("mean", "word"), [(-0.3, "conflicting"), (0.0, "neutral"), (0.05, "neutral"), (0.3, "helpful")]
)
def test_a_clear_series_gets_its_word(mean: float, word: str) -> None:
    found = [judge(one.tolist()).word for one in simulate(100, 40, mean, 0.1, 0.3)]
    assert found.count(word) >= 98


@pytest.mark.parametrize(("n", "memory"), [(8, 0.0), (20, 0.3), (40, 0.6)])
def test_chance_is_called_a_conflict_in_at_most_one_run_of_twenty(n: int, memory: float) -> None:
    found = [judge(one.tolist()).word for one in simulate(400, n, 0.0, 0.3, memory)]
    assert found.count("conflicting") <= 20


def test_a_mean_beyond_the_boundary_whose_interval_holds_zero_is_undecided() -> None:
    cosines = [-0.9, 0.6, -0.8, 0.7, -0.9, 0.5, -0.9, 0.4]
    verdict = judge(cosines)
    assert verdict.mean < -0.1
    assert verdict.low < 0.0 < verdict.high
    assert verdict.word == "undecided"


def test_a_series_that_never_varies_is_decided_at_once() -> None:
    assert judge([-1.0] * LEAST).word == "conflicting"
    assert judge([0.0] * LEAST).word == "neutral"


@pytest.mark.parametrize("n", [0, 1, LEAST - 1])
def test_a_few_comparisons_decide_nothing(n: int) -> None:
    verdict = judge([-1.0] * n)
    assert verdict.word == "undecided"
    assert str(verdict) == f"undecided: {n} comparisons, and 8 are the least"


def test_turning_the_signs_turns_the_verdict() -> None:
    turned = {"helpful": "conflicting", "conflicting": "helpful"}
    for one in simulate(30, 15, 0.1, 0.2, 0.3):
        there, back = judge(one.tolist()), judge((-one).tolist())
        assert back.word == turned.get(there.word, there.word)
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


def test_the_level_is_shared_among_the_pairs() -> None:
    (values_N,) = simulate(1, 20, -0.2, 0.3, 0.0)
    alone = judge(values_N.tolist())
    among = judge_all({f"a|{place}": values_N.tolist() for place in range(10)})["a|3"]
    assert (among.low, among.high) != (alone.low, alone.high)
    assert among.low == pytest.approx(judge(values_N.tolist(), 0.995).low)


def test_a_runs_events_are_judged_pair_by_pair() -> None:
    both = {"event": "gradients", "cosines": {"a|b": -0.5, "a|c": 0.02}}
    alone = {"event": "gradients", "cosines": {"a|c": 0.02}}
    found = judge_pairs([{"event": "step"}, *[both] * 8, *[alone] * 4])
    assert {pair: (one.word, one.n) for pair, one in found.items()} == {
        "a|b": ("conflicting", 8),
        "a|c": ("neutral", 12),
    }
    assert str(found["a|b"]).startswith("conflicting: mean cosine -0.50 (interval -0.50 to")
