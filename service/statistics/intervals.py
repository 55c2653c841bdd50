"""Counts come in, confidence intervals for a proportion go out."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """low and high bound a proportion, within [0, 1], or a difference of two, within [-1, 1]."""

    low: float
    high: float


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """The Wilson score interval (Wilson 1927, JASA 22).

    level: the two-sided coverage, within (0, 1). No trials give [0, 1]. Raises ValueError.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie within 0 and {trials}, found {successes}")
    z = two_sided_quantile(level)
    if trials == 0:
        return Interval(0.0, 1.0)
    share, weight = successes / trials, z * z / trials
    centre = (share + weight / 2.0) / (1.0 + weight)
    half = z * math.sqrt(share * (1.0 - share) / trials + weight / (4.0 * trials)) / (1.0 + weight)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Interval:
    """The exact two-sided interval (Clopper & Pearson 1934, Biometrika 26).

    level: the least coverage, within (0, 1); it is never undercut. No trials give [0, 1]. Raises
    ValueError.
    """
    each_side = 0.5 + level / 2.0
    low = clopper_pearson_low(successes, n, each_side)
    return Interval(low, 1.0 - clopper_pearson_low(n - successes, n, each_side))


def clopper_pearson_low(successes: int, n: int, level: float = 0.95) -> float:
    """The exact one-sided lower bound: above the true share with chance at most 1 - level.

    level: within (0, 1). No success gives 0. Raises ValueError.
    """
    from scipy.special import betaincinv  # imported here, as the service's start must be quick

    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie within 0 and {n}, found {successes}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie within 0 and 1, found {level}")
    if successes == 0:
        return 0.0
    return float(betaincinv(successes, n - successes + 1, 1.0 - level))


@lru_cache(maxsize=64)
def two_sided_quantile(level: float) -> float:
    """z such that a standard normal lies within [-z, z] with chance `level`, within (0, 1).

    Remembered: the quantile costs fifty times the rest of an interval. Raises ValueError.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie within 0 and 1, found {level}")
    return NormalDist().inv_cdf(0.5 + level / 2.0)
