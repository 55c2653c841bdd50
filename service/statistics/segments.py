"""Tickets' values in several dimensions and what became of them come in; the segments go out, worst
first, with p values that account for how many were looked at.

Shapes: N tickets, V values of a dimension.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from service.statistics.intervals import Interval, wilson
from service.statistics.multiplicity import holm
from service.statistics.paired import Pairs, one_sided_mcnemar, paired_differences
from service.statistics.shift import REST, UNKNOWN

BoolArray = NDArray[np.bool_]

LEAST = 30
"""Tickets that a segment needs to stand alone; smaller ones join REST."""
MOST = 30
"""Segments of one dimension that stand alone; the smaller ones beyond join REST."""

Values = Sequence[str | None]


@dataclass(frozen=True)
class GapSegment:
    """Both models' accuracy on the tickets that share one value of a dimension.

    p: exact one-sided McNemar, small where the challenger is worse; adjusted_p: by Holm over all
    segments. interval: Tango's, for this segment alone.
    """

    dimension: str
    value: str
    pairs: Pairs
    gap: float
    interval: Interval
    p: float
    adjusted_p: float

    @property
    def lost(self) -> int:
        """Tickets lost on balance by the challenger: negative where it gains."""
        return self.pairs.incumbent - self.pairs.challenger


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
    """Segments in which the challenger is worse first: by p, then by tickets lost.

    dimensions: name to each ticket's value, N each; None is UNKNOWN. A dimension with one segment
    is left out: it says nothing that all tickets do not. Raises ValueError for other lengths.
    """
    names, pairs = [], []
    for dimension, value, inside_N in _segments(dimensions, len(challenger_right_N), least, most):
        names.append((dimension, value))
        pairs.append(Pairs.from_right(challenger_right_N[inside_N], incumbent_right_N[inside_N]))
    p = [one_sided_mcnemar(one) for one in pairs]
    rows = zip(names, pairs, paired_differences(pairs), p, holm(p).tolist(), strict=True)
    found = [
        GapSegment(*name, pairs=table, gap=table.gap, interval=interval, p=raw, adjusted_p=adjusted)
        for name, table, interval, raw, adjusted in rows
    ]
    return sorted(found, key=lambda one: (one.p, -one.lost))


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
