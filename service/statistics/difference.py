"""Counts of discordant pairs come in, bounds of the difference of two paired proportions go out.

Shapes: any one shape S of counts, so that a simulation asks once.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.statistics.intervals import two_sided_quantile

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_HALVINGS = 50
"""Of an interval that is 2 wide: to 2e-15, and no middle is rounded to an end."""


def score_interval(
    wins_S: IntArray, losses_S: IntArray, n_S: IntArray, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Tango's score interval for (wins - losses) / n (Tango 1998, Statistics in Medicine 17, 891).

    wins_S, losses_S: pairs of which only the one side, or only the other, was right, among n_S.
    Returns (low_S, high_S), within [-1, 1]; [-1, 1] where n_S is 0. Raises ValueError.
    Deviation: the bounds are found by halving, where Tango iterates a secant.
    """
    z = two_sided_quantile(level)
    low_S = falls_through(lambda gap_S: score(wins_S, losses_S, n_S, gap_S) - z, wins_S.shape)
    high_S = falls_through(lambda gap_S: score(wins_S, losses_S, n_S, gap_S) + z, wins_S.shape)
    return low_S, np.where(n_S == 0, 1.0, high_S)


def score(wins_S: IntArray, losses_S: IntArray, n_S: IntArray, gap_S: FloatArray) -> FloatArray:
    """Tango's score statistic of the supposed gap: standard normal where it is the true one.

    The nuisance, the share of losses, is at its maximum likelihood under the supposed gap.
    """
    linear_S = (2.0 * n_S - wins_S + losses_S) * gap_S - wins_S - losses_S
    root_S = np.sqrt(np.maximum(0.0, linear_S**2 + 8.0 * n_S * losses_S * gap_S * (1.0 - gap_S)))
    share_S = (root_S - linear_S) / np.maximum(1.0, 4.0 * n_S)
    variance_S = np.maximum(0.0, n_S * (2.0 * share_S + gap_S * (1.0 - gap_S)))
    excess_S = wins_S - losses_S - n_S * gap_S
    # No variance is left where the supposed gap leaves one outcome only: impossible, or certain.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(excess_S == 0.0, 0.0, excess_S / np.sqrt(variance_S))


def falls_through(
    function: Callable[[FloatArray], FloatArray],
    shape: tuple[int, ...],
    low: float = -1.0,
    high: float = 1.0,
) -> FloatArray:
    """The last point within [low, high] at which each falling function is not below 0.

    `low` where it is below 0 throughout, `high` where nowhere.
    """
    low_S, high_S = np.full(shape, low), np.full(shape, high)
    for _ in range(_HALVINGS):
        middle_S = (low_S + high_S) / 2.0
        above_S = function(middle_S) >= 0.0
        low_S, high_S = np.where(above_S, middle_S, low_S), np.where(above_S, high_S, middle_S)
    return low_S
