"""True and given labels come in; a confusion matrix that fits a page goes out.

Shapes: N tickets, C labels, S labels shown.
"""

import math
from dataclasses import dataclass

import numpy as np

from service.statistics.agreement import LabelPair, confusion, top_pairs
from training.report.outcome import IntArray, Outcome, Told

MOST = 20
PAIRS = 8


@dataclass(frozen=True)
class Line:
    """Tickets that truly have one label: how many were given each label, and how many in all.

    shade: of each cell, 0 to 1, by the logarithm of its count. recall: None without a ticket;
    precision: None where the label was never given.
    """

    label: str
    counts: tuple[int, ...]
    shade: tuple[float, ...]
    tickets: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class Confusions:
    """Labels in their order, `left_out` rarer ones together as the last; rows are the truth."""

    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    left_out: int
    pairs: tuple[LabelPair, ...]


def confusions(outcome: Outcome, told: Told, most: int = MOST) -> Confusions:
    """The matrix of the `most` labels with the most tickets, and the most frequent confusions."""
    names = [str(place) for place in range(outcome.task.classes)]
    truth, given = ([names[at] for at in one] for one in (outcome.labels_N, told.chosen_N))
    full_CC = confusion(truth, given, names)
    kept = _kept(full_CC, most)
    left_out = outcome.task.classes - len(kept)
    shown = [outcome.task.labels[at] for at in kept]
    if left_out:
        shown.append(f"({left_out:,} others)")
    pairs = tuple(
        LabelPair(_label(outcome, one.first), _label(outcome, one.second), one.count)
        for one in top_pairs(full_CC, names, PAIRS)
    )
    matrix_SS = _folded(full_CC, kept) if left_out else full_CC
    right_S = _right(full_CC, kept, left_out)
    return Confusions(tuple(shown), _lines(shown, matrix_SS, right_S), left_out, pairs)


def _kept(full_CC: IntArray, most: int) -> list[int]:
    if len(full_CC) <= most:
        return list(range(len(full_CC)))
    order_C = np.argsort(-full_CC.sum(axis=1), kind="stable")
    return sorted(order_C[: most - 1].tolist())


def _folded(full_CC: IntArray, kept: list[int]) -> IntArray:
    place_C = np.full(len(full_CC), len(kept))
    place_C[kept] = np.arange(len(kept))
    found_SS = np.zeros((len(kept) + 1, len(kept) + 1), dtype=np.int64)
    np.add.at(found_SS, (place_C[:, None], place_C[None, :]), full_CC)
    return found_SS


def _right(full_CC: IntArray, kept: list[int], left_out: int) -> list[int]:
    """Right ones: among the others, one rare label given for another is wrong."""
    diagonal_C = np.diagonal(full_CC)
    right = [int(diagonal_C[at]) for at in kept]
    return [*right, int(diagonal_C.sum()) - sum(right)] if left_out else right


def _lines(labels: list[str], matrix_SS: IntArray, right: list[int]) -> tuple[Line, ...]:
    top = math.log1p(int(matrix_SS.max()))
    tickets, given = matrix_SS.sum(axis=1).tolist(), matrix_SS.sum(axis=0).tolist()
    return tuple(
        Line(
            label=label,
            counts=tuple(matrix_SS[at].tolist()),
            shade=tuple(round(math.log1p(one) / top, 2) for one in matrix_SS[at].tolist()),
            tickets=tickets[at],
            recall=right[at] / tickets[at] if tickets[at] else None,
            precision=right[at] / given[at] if given[at] else None,
        )
        for at, label in enumerate(labels)
    )


def _label(outcome: Outcome, name: str) -> str:
    return outcome.task.labels[int(name)]
