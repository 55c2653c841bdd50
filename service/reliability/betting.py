"""Values within 0 and 1 come in; evidence about their mean, to be watched at any time, goes out.

Against "the mean, given the past, is at most m" one bets a share of one's wealth on every value x:
it is multiplied by 1 + bet (x - m) / m, which under that hypothesis does not grow in the mean. The
chance that wealth ever reaches 1/alpha is then at most alpha, however often one looks (Ville 1939;
Waudby-Smith & Ramdas 2024, JRSS B 86, arXiv:2010.09686). Wealth is the mean over the bets of
`service.statistics.eprocess`; of right and wrong answers it is the very wealth computed there. It
depends on how often each value occurred, not on the order: a label may come in late.

Shapes: N values, V different ones.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.statistics.difference import falls_through
from service.statistics.eprocess import BETS
from service.statistics.intervals import Interval

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LEAST = 1e-9
"""Of a mean: that of values which are all 0 is refuted by the first other value anyway."""


@dataclass(frozen=True)
class Counted:
    """How often each value occurred: values_V within [0, 1], count_V."""

    values_V: FloatArray
    count_V: IntArray

    @property
    def mirrored(self) -> "Counted":
        """Each value's distance from 1."""
        return Counted(1.0 - self.values_V, self.count_V)


def counted(values_N: ArrayLike) -> Counted:
    """Raises ValueError for a value outside of [0, 1]."""
    values_V, count_V = np.unique(np.asarray(values_N, dtype=np.float64), return_counts=True)
    if np.any((values_V < 0.0) | (values_V > 1.0)):
        raise ValueError("values must lie within 0 and 1")
    return Counted(values_V, count_V)


def log_wealth(seen: Counted, mean: float) -> float:
    """The natural logarithm of the wealth against "the mean is at most `mean`"; 0 without a value.

    mean: within [0, 1]. Raises ValueError.
    """
    if not 0.0 <= mean <= 1.0:
        raise ValueError(f"the mean must lie within 0 and 1, found {mean}")
    gain_V = seen.values_V / max(mean, _LEAST) - 1.0
    each_B = np.log1p(BETS[:, None] * gain_V) @ seen.count_V
    return float(np.logaddexp.reduce(each_B)) - math.log(len(BETS))


def bounds(seen: Counted, alpha: float = 0.05) -> Interval:
    """Bounds of the mean, each of which holds at all looks at once with chance 1 - alpha.

    A bound is the mean that wealth 1/alpha has just not refuted, so that `low` lies above a mean
    exactly where the wealth against "at most that mean" exceeds 1/alpha. [0, 1] without a value.
    """
    return Interval(_low(seen, alpha), 1.0 - _low(seen.mirrored, alpha))


def _low(seen: Counted, alpha: float) -> float:
    enough = math.log(1.0 / alpha)

    def excess(mean: FloatArray) -> FloatArray:
        return np.asarray(log_wealth(seen, float(mean)) - enough)

    return float(falls_through(excess, (), low=0.0, high=1.0))
