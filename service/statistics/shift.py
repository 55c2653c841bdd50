"""How two groups of tickets are spread over the values of a dimension comes in; whether the one is
drawn like the other goes out.

Shapes: V values of a dimension, two groups.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from service.statistics.multiplicity import holm

FloatArray = NDArray[np.float64]

RARE = 5.0
"""Expected tickets that a cell needs for chi-square to hold (Cochran 1954)."""
REST = "(rest)"
UNKNOWN = "(unknown)"


@dataclass(frozen=True)
class Shift:
    """How differently two groups are spread over one dimension.

    first, second: tickets in each. p: of chi-square; adjusted_p: by Holm over the dimensions that
    were looked at. cramers_v: 0 for the same spread to 1. largest: the largest absolute
    standardised difference of a value's share; value: the one that has it, with both shares.
    """

    dimension: str
    first: int
    second: int
    statistic: float = 0.0
    freedom: int = 0
    p: float = 1.0
    adjusted_p: float = 1.0
    cramers_v: float = 0.0
    largest: float = 0.0
    value: str | None = None
    first_share: float = 0.0
    second_share: float = 0.0


def shift(first: Iterable[str | None], second: Iterable[str | None], dimension: str = "") -> Shift:
    """Pearson's chi-square test of homogeneity over the values of one dimension.

    None counts as UNKNOWN. The rarest values are merged into REST until every cell expects RARE
    tickets. Nothing to compare (an empty group, one value) gives p = 1 and no difference.
    """
    values, table_2V = merged(Counter(map(_named, first)), Counter(map(_named, second)))
    here, there = table_2V.sum(axis=1).tolist()
    if len(values) < 2:
        return Shift(dimension, here, there)
    statistic, p = chi_square(table_2V)
    share_2V = table_2V / table_2V.sum(axis=1, keepdims=True)
    apart_V = standardised(share_2V)
    most = int(np.argmax(apart_V))
    return Shift(
        dimension,
        here,
        there,
        statistic=statistic,
        freedom=len(values) - 1,
        p=p,
        adjusted_p=p,
        cramers_v=math.sqrt(statistic / (here + there)),
        largest=float(apart_V[most]),
        value=values[most],
        first_share=float(share_2V[0, most]),
        second_share=float(share_2V[1, most]),
    )


def shifts(
    dimensions: Mapping[str, tuple[Iterable[str | None], Iterable[str | None]]],
) -> list[Shift]:
    """`shift` for each dimension, most significant first, with p adjusted by Holm over them."""
    found = [shift(first, second, name) for name, (first, second) in dimensions.items()]
    adjusted = holm([one.p for one in found])
    found = [replace(one, adjusted_p=float(p)) for one, p in zip(found, adjusted, strict=True)]
    return sorted(found, key=lambda one: (one.p, -one.cramers_v, one.dimension))


def merged(
    first: Mapping[str, int], second: Mapping[str, int]
) -> tuple[list[str], NDArray[np.int64]]:
    """Values, most frequent first, and their counts, shape (2, V), with rare values in REST.

    One value is left where the two groups are too small to compare.
    """
    both = Counter(first) + Counter(second)
    smaller = min(sum(first.values()), sum(second.values()))
    enough = RARE * both.total() / smaller if smaller else math.inf
    values = sorted(both, key=lambda value: (-both[value], value))
    kept = [value for value in values if both[value] >= enough]
    if kept and len(kept) < len(values) and sum(both[one] for one in values[len(kept) :]) < enough:
        kept.pop()
    table = [[group.get(value, 0) for value in kept] for group in (first, second)]
    if len(kept) < len(values):
        table = [
            [*row, sum(group.values()) - sum(row)]
            for row, group in zip(table, (first, second), strict=True)
        ]
        kept = [*kept, REST]
    return kept, np.asarray(table, dtype=np.int64).reshape(2, len(kept))


def chi_square(table_2V: NDArray[np.int64]) -> tuple[float, float]:
    """Pearson's statistic and p for V - 1 degrees of freedom, without Yates's correction."""
    total_V, total_2 = table_2V.sum(axis=0), table_2V.sum(axis=1)
    expected_2V = np.outer(total_2, total_V) / table_2V.sum()
    statistic = float(((table_2V - expected_2V) ** 2 / expected_2V).sum())
    return statistic, float(chi2.sf(statistic, len(total_V) - 1))


def standardised(share_2V: FloatArray) -> FloatArray:
    """Absolute standardised difference of two shares, shape (V,) (Austin 2009, Comm. Stat. 38)."""
    spread_V = np.sqrt((share_2V * (1.0 - share_2V)).mean(axis=0))
    apart_V = np.abs(share_2V[0] - share_2V[1])
    return np.where(spread_V > 0.0, apart_V / np.where(spread_V > 0.0, spread_V, 1.0), 0.0)


def _named(value: str | None) -> str:
    return UNKNOWN if value is None else value
