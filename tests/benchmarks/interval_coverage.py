"""True shares come in; how often the intervals hold them, exactly or in simulation, goes out.

Shapes: K outcomes, S settings.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from service.statistics.difference import score_interval
from service.statistics.intervals import wilson
from service.statistics.paired import Pairs, bootstrap_difference
from tests.benchmarks.bounds import Figure, at_least, within

FloatArray = NDArray[np.float64]

WILSON_TRIALS = (500, 1000, 2000, 5000)
WILSON_SHARES = np.linspace(0.02, 0.2, 181)
PAIRED_TICKETS = (200, 500, 1000, 2000, 5000)
DISCORDANCES = (0.02, 0.04, 0.08, 0.15, 0.3)
GAPS = (-0.03, -0.01, 0.0, 0.01, 0.03)
NEGLIGIBLE = 1e-10
"""Outcomes less likely than this are left out, and counted as missed."""


def wilson_coverage(trials: int, shares: FloatArray) -> float:
    """The mean over the true shares, exact: every outcome weighted by its probability."""
    bounds = [wilson(successes, trials) for successes in range(trials + 1)]
    low_K, high_K = np.array([(one.low, one.high) for one in bounds]).T
    chance_SK = binom.pmf(np.arange(trials + 1), trials, shares[:, None])
    holds_SK = (low_K <= shares[:, None]) & (shares[:, None] <= high_K)
    return float((chance_SK * holds_SK).sum(axis=1).mean())


def paired_coverage(n: int, gap: float, discordance: float) -> float:
    """Of the paired score interval, exact: over all wins and losses that are not negligible."""
    win, loss = (discordance + gap) / 2, (discordance - gap) / 2
    wins_K = np.arange(n + 1)
    likely_K = wins_K[binom.pmf(wins_K, n, win) > NEGLIGIBLE]
    found_K = np.arange(binom.ppf(1 - NEGLIGIBLE, n, loss) + 1, dtype=np.int64)
    wins_S, losses_S = (grid.ravel() for grid in np.meshgrid(likely_K, found_K))
    chance_S = binom.pmf(wins_S, n, win) * binom.pmf(losses_S, n - wins_S, loss / (1 - win))
    low_S, high_S = score_interval(wins_S, losses_S, np.full(wins_S.shape, n))
    return float(chance_S[(low_S <= gap) & (gap <= high_S)].sum())


def paired_settings() -> Iterator[tuple[int, float, float]]:
    """Tickets, gap and discordance; no gap beyond what the discordance allows."""
    for n in PAIRED_TICKETS:
        for discordance in DISCORDANCES:
            yield from ((n, gap, discordance) for gap in GAPS if abs(gap) < discordance)


def bootstrap_coverage(n: int, gap: float, discordance: float, runs: int, seed: int = 8) -> float:
    """Of the paired bootstrap, in simulation."""
    win, loss = (discordance + gap) / 2, (discordance - gap) / 2
    drawn = np.random.default_rng(seed).multinomial(n, [win, loss, 1 - win - loss], runs)
    holds = 0
    for place, (wins, losses, ties) in enumerate(drawn.tolist()):
        found = bootstrap_difference(Pairs(ties, wins, losses, 0), resamples=1000, seed=place)
        holds += found.low <= gap <= found.high
    return holds / runs


def figures() -> list[Figure]:
    """Wilson for each number of trials, the paired interval over its settings, the bootstrap."""
    found = [
        Figure(
            f"Wilson, n = {trials:,}, mean over p in [.02, .2]",
            wilson_coverage(trials, WILSON_SHARES),
            within(0.94, 0.96),
        )
        for trials in WILSON_TRIALS
    ]
    paired = [paired_coverage(*setting) for setting in paired_settings()]
    name = f"paired score interval, {len(paired)} settings, n 200 to 5,000"
    found.append(Figure(f"{name}: mean", float(np.mean(paired)), at_least(0.94)))
    found.append(Figure(f"{name}: least", min(paired), at_least(0.94)))
    value = bootstrap_coverage(1000, 0.01, 0.08, runs=5000)
    found.append(Figure("paired bootstrap, n = 1,000, gap .01", value, at_least(0.94)))
    return found
