"""The e-process by enumeration: a fair game at the boundary, and what Ville says of it."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import binom

from service.statistics.eprocess import (
    BETS,
    Side,
    confidence_sequence,
    evidence,
    log_wealth,
    looks,
    tally,
)

COUNTS = st.integers(0, 400)
MARGINS = st.floats(-0.5, 0.5)
SIDES: tuple[Side, Side] = ("better", "worse")
STEPS = st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=120)


def wealth(wins: int, losses: int, ties: int, margin: float, side: Side) -> float:
    return math.exp(float(log_wealth(wins, losses, ties, margin, side)))


def shares(gap: float, discordance: float) -> tuple[float, float, float]:
    return (discordance + gap) / 2, (discordance - gap) / 2, 1 - discordance


@given(COUNTS, COUNTS, COUNTS, st.floats(-0.09, 0.09), st.floats(0.1, 1.0), st.sampled_from(SIDES))
def test_at_the_boundary_the_next_ticket_is_a_fair_game(
    wins: int, losses: int, ties: int, margin: float, discordance: float, side: Side
) -> None:
    win, loss, tie = shares(-margin, discordance)
    now = float(log_wealth(wins, losses, ties, margin, side))
    after = (
        win * math.exp(float(log_wealth(wins + 1, losses, ties, margin, side)) - now)
        + loss * math.exp(float(log_wealth(wins, losses + 1, ties, margin, side)) - now)
        + tie * math.exp(float(log_wealth(wins, losses, ties + 1, margin, side)) - now)
    )
    assert after == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.1, -0.05])
@pytest.mark.parametrize("beyond", [0.0, 0.02, 0.1])
def test_under_the_hypothesis_wealth_does_not_grow_in_the_mean(
    side: Side, margin: float, beyond: float
) -> None:
    gap = -margin - beyond if side == "better" else -margin + beyond
    steps = np.array(list(product((1, -1, 0), repeat=7)))
    counts = [(steps == step).sum(axis=1) for step in (1, -1, 0)]
    chance = np.prod([share**n for share, n in zip(shares(gap, 0.4), counts, strict=True)], axis=0)
    assert chance.sum() == pytest.approx(1.0)
    mean = float(chance @ np.exp(log_wealth(*counts, margin, side)))
    assert mean <= 1.0 + 1e-12
    assert (mean == pytest.approx(1.0, abs=1e-12)) == (beyond == 0.0)


@pytest.mark.parametrize(("margin", "discordance"), [(0.0, 1.0), (0.0, 0.3), (0.05, 0.3)])
def test_under_the_hypothesis_wealth_reaches_20_in_at_most_a_twentieth(
    margin: float, discordance: float
) -> None:
    """Exact over 100 tickets: the chances of all counts that have not reached it so far."""
    win, loss, tie = shares(-margin, discordance)
    size = 101
    wins, losses = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    alive = np.zeros((size, size))
    alive[0, 0] = 1.0
    for n in range(1, size):
        moved = tie * alive
        moved[1:] += win * alive[:-1]
        moved[:, 1:] += loss * alive[:, :-1]
        path = log_wealth(wins, losses, np.maximum(0, n - wins - losses), margin)
        alive = np.where(path >= math.log(20), 0.0, moved)
    reached = 1.0 - alive.sum()
    assert 0.0 < reached <= 0.05


@given(COUNTS, COUNTS, COUNTS)
def test_without_a_margin_it_is_a_mixture_of_binomial_likelihood_ratios(
    wins: int, losses: int, ties: int
) -> None:
    n = wins + losses
    ratio = binom.logpmf(wins, n, (1 + BETS) / 2) - binom.logpmf(wins, n, 0.5)
    oracle = logsumexp(ratio) - math.log(len(BETS))
    assert float(log_wealth(wins, losses, ties)) == pytest.approx(oracle, abs=1e-8)


@given(COUNTS, COUNTS, COUNTS, MARGINS)
def test_the_other_side_is_the_models_exchanged(
    wins: int, losses: int, ties: int, margin: float
) -> None:
    here = log_wealth(wins, losses, ties, margin, "worse")
    assert here == pytest.approx(log_wealth(losses, wins, ties, -margin, "better"), abs=1e-9)


@given(COUNTS, COUNTS, COUNTS, MARGINS, MARGINS)
def test_a_wider_margin_is_easier_to_show(
    wins: int, losses: int, ties: int, first: float, second: float
) -> None:
    narrow, wide = sorted((first, second))
    found = log_wealth(wins, losses, ties, np.array([narrow, wide]))
    assert found[0] <= found[1] + 1e-9


@settings(max_examples=30)
@given(STEPS, st.sampled_from(SIDES), st.sampled_from([0.0, 0.02]))
def test_evidence_is_the_best_of_all_looks(steps: list[int], side: Side, margin: float) -> None:
    found = evidence(steps, margin, side, alpha=0.2)
    path = [
        wealth(seen.count(1), seen.count(-1), seen.count(0), margin, side)
        for seen in (steps[:n] for n in range(1, len(steps) + 1))
    ]
    crossed = [n for n, value in enumerate(path, start=1) if value >= 5.0]
    assert found.crossed_at == (crossed[0] if crossed else None)
    assert found.p == pytest.approx(min(1.0, 1 / max(path)))
    assert math.exp(found.log_wealth) == pytest.approx(path[-1])


@settings(max_examples=15)
@given(STEPS)
def test_the_confidence_sequence_is_what_no_look_has_refuted(steps: list[int]) -> None:
    low, high = confidence_sequence(tally(steps), alpha=0.1)
    assert np.all(np.diff(low) >= 0)
    assert np.all(np.diff(high) <= 0)
    for gap in np.linspace(-0.99, 0.99, 23):
        best = max(evidence(steps, -gap, side).best for side in SIDES)
        refuted = best >= math.log(2 / 0.1)
        assert refuted == (gap <= low[-1] or gap >= high[-1])


def test_without_labels_there_is_no_evidence() -> None:
    nothing = evidence([])
    assert (nothing.log_wealth, nothing.p, nothing.crossed_at) == (0.0, 1.0, None)
    assert float(log_wealth(0, 0, 0)) == pytest.approx(0.0)
    assert not len(looks(0))
    assert not len(confidence_sequence(tally([]))[0])


@given(st.integers(1, 10_000), st.integers(1, 300))
def test_looks_end_at_the_last_label(n: int, most: int) -> None:
    found = looks(n, most)
    assert len(found) == min(n, most)
    assert found[-1] == n
    assert np.all(np.diff(found) > 0)


def test_a_path_at_few_looks_is_that_at_all_of_them() -> None:
    steps = np.random.default_rng(0).integers(-1, 2, 500)
    few, every = tally(steps, looks(500, 20)), tally(steps)
    assert np.array_equal(few.wins, every.wins[looks(500, 20) - 1])
    assert np.array_equal(few.wins + few.losses + few.ties, looks(500, 20))


def test_impossible_margins_and_differences_are_refused() -> None:
    with pytest.raises(ValueError, match=r"found 1\.0"):
        log_wealth(1, 0, 0, margin=1.0)
    with pytest.raises(ValueError, match="-1, 0 or 1"):
        tally([2])
