"""Compared cases come in; how often, when and against whom the two models differ goes out.

Shapes: C labels.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.ledger.records import Case
from service.shadow.findings.shares import Day, LabelPair, Matrix, Noise, Rate
from service.statistics.agreement import confusion, disagreement, kappa, top_pairs

DAY_S = 86_400
MAX_DAYS, MAX_LABELS, MAX_PAIRS = 60, 30, 20
OTHER = "(other)"


def compared(cases: Iterable[Case]) -> list[Case]:
    """Those to which the legacy gave an answer."""
    return [case for case in cases if case.outcome == "compared" and case.legacy_label is not None]


def differs(case: Case) -> bool:
    """Whether the two labels of a compared case differ."""
    return case.primary_label != case.legacy_label


def rate(count: int, n: int) -> Rate:
    """A share with its Wilson 95 % interval; without tickets it is null, within [0, 1]."""
    return Rate(**shares(count, n))


def shares(count: int, n: int) -> dict[str, float | int | None]:
    """The fields of a `Rate`."""
    found = disagreement(count, n)
    low, high = found.interval.low, found.interval.high
    return {"count": count, "n": n, "rate": found.rate, "low": low, "high": high}


def days(cases: Sequence[Case]) -> tuple[Day, ...]:
    """The disagreement day by day (UTC), of several days each where there are more than 60."""
    if not cases:
        return ()
    numbers = [math.floor(case.at / DAY_S) for case in cases]
    first = min(numbers)
    width = math.ceil((max(numbers) - first + 1) / MAX_DAYS)
    places = [(number - first) // width for number in numbers]
    total = Counter(places)
    apart = Counter(at for at, case in zip(places, cases, strict=True) if differs(case))
    return tuple(
        Day(start=float((first + at * width) * DAY_S), days=width, **shares(apart[at], total[at]))
        for at in sorted(total)
    )


def agreement(
    cases: Sequence[Case],
) -> tuple[Matrix, tuple[LabelPair, ...], float | None]:
    """Who said what against whom, the most frequent pairs of two labels, and Cohen's kappa.

    The matrix takes the rarest labels of a long list together; the other two do not.
    """
    rows = [str(case.incumbent_label) for case in cases]
    across = [str(case.challenger_label) for case in cases]
    labels = sorted({*rows, *across})
    counts_CC = confusion(rows, across, labels)
    apart = sum(map(differs, cases))
    pairs = tuple(
        LabelPair(
            incumbent=pair.first,
            challenger=pair.second,
            count=pair.count,
            share=pair.count / apart,
        )
        for pair in top_pairs(counts_CC, labels, MAX_PAIRS)
    )
    return _bounded(counts_CC, labels), pairs, kappa(counts_CC)


def _bounded(counts_CC: NDArray[np.int64], labels: Sequence[str]) -> Matrix:
    names, size = list(labels), len(labels)
    place_C = np.arange(size)
    if size > MAX_LABELS:
        seen_C = counts_CC.sum(axis=0) + counts_CC.sum(axis=1)
        kept = sorted(np.argsort(-seen_C, kind="stable")[: MAX_LABELS - 1].tolist())
        names, size = [*(labels[at] for at in kept), OTHER], MAX_LABELS
        place_C = np.full(len(labels), MAX_LABELS - 1)
        place_C[kept] = np.arange(len(kept))
    merged = np.zeros((size, size), dtype=np.int64)
    np.add.at(merged, (place_C[:, None], place_C[None, :]), counts_CC)
    return Matrix(labels=tuple(names), counts=tuple(map(tuple, merged.tolist())))


def noise(cases: Sequence[Case], other: str, theirs: Iterable[Case]) -> Noise:
    """How often this legacy and the `other` differ on the decisions that both answered."""
    said = {case.decision_id: case.legacy_label for case in cases}
    apart = [
        case.legacy_label != said[case.decision_id]
        for case in compared(theirs)
        if case.decision_id in said
    ]
    return Noise(other=other, **shares(sum(apart), len(apart)))
