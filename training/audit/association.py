"""Two columns of codes come in; how far the one gives the other away goes out.

Shapes: N tickets, X values of the known column, Y values of the one to be told.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from service.statistics.intervals import Interval, wilson

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

PERMUTATIONS = 50


@dataclass(frozen=True)
class Lookup:
    """What a table from one column to another is worth.

    accuracy: of telling each ticket's value from the other tickets with its known value, with a
    Wilson interval. majority: share of the most frequent value. removed: what part of the
    majority's errors the table removes, with its interval (Goodman & Kruskal 1954, JASA 49, their
    lambda; here left-one-out, so that it can be below 0). entropy: normalised conditional entropy,
    1 where the columns are unrelated and 0 where the one is a function of the other.
    """

    n: int
    accuracy: float
    interval: Interval
    majority: float
    removed: float
    removed_interval: Interval
    entropy: float


@dataclass(frozen=True)
class Strength:
    """Cramér's V with its 95 % interval, and the p value of Pearson's chi-square."""

    v: float
    interval: Interval
    p: float


NOTHING = Strength(0.0, Interval(0.0, 1.0), 1.0)


def codes(values: list[str]) -> IntArray:
    """Values as numbers from 0, shape (N,)."""
    place = {value: number for number, value in enumerate(sorted(set(values)))}
    return np.array([place[value] for value in values], dtype=np.int64)


def crossed(known_N: IntArray, told_N: IntArray) -> IntArray:
    """Counts (X, Y) of the values that occur; both columns hold numbers from 0."""
    known, x_N = np.unique(known_N, return_inverse=True)
    told, y_N = np.unique(told_N, return_inverse=True)
    flat = np.bincount(x_N * len(told) + y_N, minlength=len(known) * len(told))
    return flat.reshape(len(known), len(told)).astype(np.int64)


def lookup(known_N: IntArray, told_N: IntArray, seed: int = 0) -> Lookup:
    """How well one column tells another, over at least one ticket.

    A ticket's own row is left out of the table that answers for it, so that a column with a value
    of its own for every ticket tells nothing; a value that no other ticket has gets the majority's
    answer, and a tie counts in part.
    """
    table_XY = crossed(known_N, told_N)
    n = len(told_N)
    majority = float(table_XY.sum(axis=0).max() / n)
    right = _left_one_out(table_XY)
    interval = wilson(min(n, math.floor(right + 1e-9)), n)
    errors = 1.0 - majority

    def removed(accuracy: float) -> float:
        return (accuracy - majority) / errors if errors > 0.0 else 0.0

    return Lookup(
        n,
        right / n,
        interval,
        majority,
        removed(right / n),
        Interval(removed(interval.low), removed(interval.high)),
        conditional_entropy(known_N, told_N, seed),
    )


def _left_one_out(table_XY: IntArray) -> float:
    """How many tickets the other tickets' table tells right."""
    favourite = int(table_XY.sum(axis=0).argmax())
    right = 0.0
    for row_Y in table_XY:
        for place in np.flatnonzero(row_Y):
            others_Y = row_Y.copy()
            others_Y[place] -= 1
            most = others_Y.max()
            if most == 0:
                right += float(place == favourite)
            elif others_Y[place] == most:
                right += float(row_Y[place]) / float((others_Y == most).sum())
    return right


def conditional_entropy(known_N: IntArray, told_N: IntArray, seed: int = 0) -> float:
    """H(told | known) / H(told), less what chance explains (Vinh et al. 2010, JMLR 11).

    The plug-in figure is too low where values are many and tickets few. Here the mutual information
    is taken above its mean over PERMUTATIONS shuffles of the column, so that unrelated columns give
    1 whatever their number of values. Deviation: shuffles in place of the exact expectation. In
    [0, 1]; 1 where `told` has one value only.
    """
    told_entropy = _entropy(np.bincount(told_N))
    random = np.random.default_rng(seed)
    by_chance = float(
        np.mean([_shared(known_N, random.permutation(told_N)) for _ in range(PERMUTATIONS)])
    )
    if told_entropy - by_chance <= 1e-9:
        return 1.0
    above = (_shared(known_N, told_N) - by_chance) / (told_entropy - by_chance)
    return float(min(1.0, max(0.0, 1.0 - above)))


def _shared(known_N: IntArray, told_N: IntArray) -> float:
    """Mutual information in nats."""
    table_XY = crossed(known_N, told_N)
    return (
        _entropy(table_XY.sum(axis=0))
        + _entropy(table_XY.sum(axis=1))
        - _entropy(table_XY.reshape(-1))
    )


def _entropy(counts: IntArray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def strength(table_XY: IntArray) -> Strength:
    """Cramér's V of a table of counts, with the bias correction of Bergsma 2013 (Journal of the
    Korean Statistical Society 42) and the interval from the noncentral chi-square (Smithson 2003,
    Confidence Intervals).

    Rows and columns without a count are left out; a table of one row or column has no strength.
    """
    table_XY = table_XY[table_XY.sum(axis=1) > 0][:, table_XY.sum(axis=0) > 0]
    rows, columns = table_XY.shape
    if min(rows, columns) < 2:
        return NOTHING
    n = int(table_XY.sum())
    expected_XY = np.outer(table_XY.sum(axis=1), table_XY.sum(axis=0)) / n
    statistic = float(((table_XY - expected_XY) ** 2 / expected_XY).sum())
    freedom = (rows - 1) * (columns - 1)
    least = min(rows, columns) - 1
    low, high = (math.sqrt(one / (n * least)) for one in _noncentral(statistic, freedom))
    return Strength(
        _bergsma(statistic, n, rows, columns),
        Interval(min(1.0, low), min(1.0, high)),
        float(chi2.sf(statistic, freedom)),
    )


def _bergsma(statistic: float, n: int, rows: int, columns: int) -> float:
    above = max(0.0, statistic / n - (rows - 1) * (columns - 1) / max(n - 1, 1))
    fewer = min(
        rows - (rows - 1) ** 2 / max(n - 1, 1), columns - (columns - 1) ** 2 / max(n - 1, 1)
    )
    return min(1.0, math.sqrt(above / (fewer - 1.0))) if fewer > 1.0 else 0.0


def _noncentral(statistic: float, freedom: int) -> tuple[float, float]:
    """The 95 % interval of the noncentrality that gave a chi-square statistic."""

    def bound(share: float) -> float:
        if chi2.cdf(statistic, freedom) <= share:
            return 0.0
        highest = 2.0 * statistic + 100.0
        return float(
            brentq(lambda centre: ncx2.cdf(statistic, freedom, centre) - share, 0.0, highest)
        )

    return bound(0.975), bound(0.025)
