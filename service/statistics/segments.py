"""Tickets' values in several dimensions and what became of them come in; the segments go out, worst
first, with p values that account for how many were looked at.

Shapes: N tickets, V values of a dimension, K segments of all dimensions.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import fisher_exact

from service.statistics.intervals import Interval, wilson
from service.statistics.multiplicity import holm
from service.statistics.paired import Pairs, one_sided_mcnemar, paired_differences
from service.statistics.shift import REST, UNKNOWN

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

LEAST = 30
"""Tickets that a segment needs to stand alone; smaller ones join REST."""
MOST = 30
"""Segments of one dimension that stand alone; the smaller ones beyond join REST."""

Values = Sequence[str | None]


@dataclass(frozen=True)
class GapSegment:
    """Both models' accuracy on the tickets that share one value of a dimension.

    excess: see `excess_losses`. p: exact one-sided McNemar, small where the challenger is worse;
    adjusted_p: by Holm over all segments. interval: Tango's, for this segment alone.
    """

    dimension: str
    value: str
    pairs: Pairs
    gap: float
    interval: Interval
    excess: float
    p: float
    adjusted_p: float


@dataclass(frozen=True)
class RateSegment:
    """How often two models differ on the tickets that share one value of a dimension.

    p: Fisher's exact test, two-sided, against the other tickets; adjusted_p: by Holm over all
    segments. interval: Wilson's, for this segment alone.
    """

    dimension: str
    value: str
    n: int
    differing: int
    rate: float
    interval: Interval
    p: float
    adjusted_p: float


def rank_gaps(
    dimensions: Mapping[str, Values],
    challenger_right_N: BoolArray,
    incumbent_right_N: BoolArray,
    least: int = LEAST,
    most: int = MOST,
) -> list[GapSegment]:
    """Segments in which the challenger is worse first, and of those the largest excess of losses.

    The order decides which few are looked at, the p values whether one is more than chance.
    dimensions: name to each ticket's value, N each; None is UNKNOWN. A dimension with one segment
    is left out: it says nothing that all tickets do not. Raises ValueError for other lengths.
    """
    names, pairs = [], []
    for dimension, value, inside_N in _segments(dimensions, len(challenger_right_N), least, most):
        names.append((dimension, value))
        pairs.append(Pairs.from_right(challenger_right_N[inside_N], incumbent_right_N[inside_N]))
    p = [one_sided_mcnemar(one) for one in pairs]
    found = [
        GapSegment(dimension, value, table, table.gap, *figures)
        for (dimension, value), table, *figures in zip(
            names,
            pairs,
            paired_differences(pairs),
            _excesses(names, pairs),
            p,
            holm(p).tolist(),
            strict=True,
        )
    ]
    return sorted(found, key=lambda one: (one.gap >= 0.0, -one.excess, one.p))


def excess_losses(wins_V: ArrayLike, losses_V: ArrayLike, n_V: ArrayLike) -> FloatArray:
    """By how many standard deviations the losses of each segment exceed what its tickets lead one
    to expect: shape (V,), for the segments of one dimension.

    Expected are the losses of all tickets, in proportion to its own and to how hard they are. How
    hard is told by its wins, which a loss of quality leaves alone: the ratio to the expected ones
    is drawn towards 1 as far as the ratios of this dimension differ by no more than chance
    (gamma-Poisson with moments, Clayton & Kaldor 1987, Biometrics 43). A segment's gap has the
    noise of both counts in it; this has that of the losses alone, and of the hardness where it
    varies. Standardised as Freeman & Tukey (1950), who make small counts comparable.
    """
    wins_V, losses_V = np.asarray(wins_V, np.float64), np.asarray(losses_V, np.float64)
    share_V = np.asarray(n_V, np.float64) / np.sum(n_V)
    usual_V, expected_V = share_V * wins_V.sum(), share_V * losses_V.sum()
    spread = max(0.0, float(((wins_V - usual_V) ** 2 - usual_V).sum() / _floor(usual_V @ usual_V)))
    trust_V = usual_V * spread / (1.0 + usual_V * spread)
    hardness_V = 1.0 + trust_V * (wins_V / _floor(usual_V) - 1.0)
    due_V = expected_V * hardness_V
    apart_V = np.sqrt(losses_V) + np.sqrt(losses_V + 1.0) - np.sqrt(4.0 * due_V + 1.0)
    return np.asarray(apart_V / np.sqrt(1.0 + trust_V**2 * expected_V / _floor(usual_V)))


def rank_disagreement(
    dimensions: Mapping[str, Values],
    differs_N: BoolArray,
    least: int = LEAST,
    most: int = MOST,
) -> list[RateSegment]:
    """Segments by p, then by rate, highest first; arguments and errors as in `rank_gaps`."""
    total, all_differing = len(differs_N), int(np.count_nonzero(differs_N))
    found = []
    for dimension, value, inside_N in _segments(dimensions, total, least, most):
        n, differing = int(np.count_nonzero(inside_N)), int(np.count_nonzero(differs_N[inside_N]))
        p = against_the_rest(differing, n, all_differing, total)
        rate, interval = differing / n, wilson(differing, n)
        found.append(RateSegment(dimension, value, n, differing, rate, interval, p, p))
    adjusted = holm([one.p for one in found])
    found = [replace(one, adjusted_p=float(p)) for one, p in zip(found, adjusted, strict=True)]
    return sorted(found, key=lambda one: (one.p, -one.rate))


def against_the_rest(differing: int, n: int, all_differing: int, total: int) -> float:
    """Two-sided p of Fisher's exact test: the n tickets of a segment against the other ones."""
    others = all_differing - differing
    table = [[differing, n - differing], [others, total - n - others]]
    return float(fisher_exact(table).pvalue)


def grouped(
    values: Values, least: int = LEAST, most: int = MOST
) -> tuple[list[str], NDArray[np.int64]]:
    """The segments of one dimension, largest first and REST last, and each ticket's: shape (N,)."""
    named = [UNKNOWN if value is None else value for value in values]
    counts = Counter(named)
    kept = sorted(counts, key=lambda value: (-counts[value], value))[:most]
    kept = [value for value in kept if counts[value] >= least]
    place = {value: position for position, value in enumerate(kept)}
    segments = kept if len(kept) == len(counts) else [*kept, REST]
    segment_N = np.fromiter((place.get(value, len(kept)) for value in named), np.int64, len(named))
    return segments, segment_N


def _excesses(names: Sequence[tuple[str, str]], pairs: Sequence[Pairs]) -> list[float]:
    """`excess_losses`, dimension by dimension, which stand together: K."""
    found: list[float] = []
    for _, group in groupby(zip(names, pairs, strict=True), key=lambda one: one[0][0]):
        tables = [table for _, table in group]
        counts = [(one.challenger, one.incumbent, one.n) for one in tables]
        found += excess_losses(*np.array(counts).T).tolist()
    return found


def _floor(value: ArrayLike) -> FloatArray:
    """For a divisor that is 0 only where what it divides is 0 too."""
    return np.where(np.asarray(value) > 0.0, value, 1.0)


def _segments(
    dimensions: Mapping[str, Values], n: int, least: int, most: int
) -> Iterator[tuple[str, str, BoolArray]]:
    for dimension, values in dimensions.items():
        if len(values) != n:
            raise ValueError(f"{dimension} needs {n} values, found {len(values)}")
        segments, segment_N = grouped(values, least, most)
        if len(segments) > 1:
            for position, value in enumerate(segments):
                yield dimension, value, segment_N == position
