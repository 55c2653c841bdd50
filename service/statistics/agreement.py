"""Two models' labels for the same tickets come in; how often and where they differ goes out.

Shapes: N tickets, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.statistics.intervals import Interval, wilson

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class DisagreementRate:
    """rate: share of n tickets with two different labels, None without tickets."""

    n: int
    differing: int
    rate: float | None
    interval: Interval


@dataclass(frozen=True)
class LabelPair:
    """How often the first model said `first` where the second said `second`, another label."""

    first: str
    second: str
    count: int


def disagreement(differing: int, n: int, level: float = 0.95) -> DisagreementRate:
    """The share of differing answers with its Wilson interval. Raises ValueError."""
    return DisagreementRate(n, differing, differing / n if n else None, wilson(differing, n, level))


def confusion(first: Sequence[str], second: Sequence[str], labels: Sequence[str]) -> IntArray:
    """Counts of label pairs, shape (C, C): rows what the first said, columns what the second said.

    labels: the order of both. Raises ValueError for a label outside of it, or for two lengths.
    """
    place = {label: position for position, label in enumerate(labels)}
    if len(first) != len(second):
        raise ValueError(f"need equally many, found {len(first)} and {len(second)}")
    unknown = (set(first) | set(second)) - set(place)
    if unknown:
        raise ValueError(f"labels must be among the {len(place)} given, found {sorted(unknown)}")
    size = len(place)
    code_N = [place[a] * size + place[b] for a, b in zip(first, second, strict=True)]
    return np.bincount(np.asarray(code_N, np.int64), minlength=size * size).reshape(size, size)


def top_pairs(matrix_CC: IntArray, labels: Sequence[str], count: int = 10) -> list[LabelPair]:
    """The most frequent pairs of two different labels, most frequent first, ties by label order."""
    off_CC = np.where(np.eye(len(matrix_CC), dtype=bool), 0, matrix_CC)
    order = np.argsort(-off_CC, axis=None, kind="stable")[:count]
    pairs = ((divmod(int(cell), len(labels)), int(off_CC.flat[cell])) for cell in order)
    return [LabelPair(labels[row], labels[column], n) for (row, column), n in pairs if n]


def kappa(matrix_CC: IntArray) -> float | None:
    """Cohen's kappa (Cohen 1960): agreement beyond what the shares alone would give.

    1 for full agreement, 0 for chance, negative below it. None without tickets, or where both
    models give one and the same label throughout (chance agreement is then full).
    """
    total = int(matrix_CC.sum())
    if total == 0:
        return None
    expected = float(matrix_CC.sum(axis=0) @ matrix_CC.sum(axis=1)) / total**2
    if expected == 1.0:
        return None
    return (float(np.trace(matrix_CC)) / total - expected) / (1.0 - expected)
