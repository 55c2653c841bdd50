"""Confidences and whether they were right come in; what answering only the surest tickets would
give goes out.

Shapes: N tickets, K distinct confidences.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class RiskCoverage:
    """From the strictest threshold to the loosest, shape (K,) each.

    coverage: share of tickets answered. risk: share of the answered that are wrong.
    """

    coverage: FloatArray
    risk: FloatArray


def risk_coverage(confidence_N: FloatArray, correct_N: BoolArray) -> RiskCoverage:
    """The risk-coverage curve (El-Yaniv & Wiener 2010, JMLR 11); tickets of equal confidence are
    answered together, as no threshold tells them apart.

    Raises ValueError without a ticket or for two lengths.
    """
    wrong_K, count_K = _groups(confidence_N, correct_N)
    answered_K = np.cumsum(count_K)
    return RiskCoverage(answered_K / len(confidence_N), np.cumsum(wrong_K) / answered_K)


def aurc(confidence_N: FloatArray, correct_N: BoolArray) -> float:
    """Area under the risk-coverage curve (Geifman et al. 2018, arXiv:1805.08206): the mean, over
    k from 1 to N, of the share of wrong ones among the k surest.

    Where confidences are equal, the mean over all their orders. Raises ValueError.
    """
    wrong_N = np.cumsum(_wrong(confidence_N, correct_N))
    return float((wrong_N / np.arange(1, len(wrong_N) + 1)).mean())


def accuracy_at(confidence_N: FloatArray, correct_N: BoolArray, coverage: float) -> float:
    """Share of right ones among the surest `coverage` of the tickets, rounded up to a whole ticket.

    coverage: within (0, 1]. Where confidences are equal at the cut, the mean over all their orders.
    Raises ValueError.
    """
    if not 0.0 < coverage <= 1.0:
        raise ValueError(f"coverage must lie above 0 and up to 1, found {coverage}")
    wrong_N = _wrong(confidence_N, correct_N)
    # 0.8 * 35 is 28.000000000000004 in floating point.
    answered = math.ceil(coverage * len(wrong_N) - 1e-9)
    return 1.0 - float(wrong_N[: max(1, answered)].mean())


def _wrong(confidence_N: FloatArray, correct_N: BoolArray) -> FloatArray:
    """The chance, over the orders of equal confidences, that the k-th surest is wrong."""
    wrong_K, count_K = _groups(confidence_N, correct_N)
    return np.repeat(wrong_K / count_K, count_K)


def _groups(confidence_N: FloatArray, correct_N: BoolArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Wrong ones and tickets by distinct confidence, surest first."""
    if len(confidence_N) == 0 or len(confidence_N) != len(correct_N):
        raise ValueError(f"need equally many, found {len(confidence_N)} and {len(correct_N)}")
    _, place_N, count_K = np.unique(confidence_N, return_inverse=True, return_counts=True)
    wrong_K = np.bincount(place_N, weights=~np.asarray(correct_N, dtype=bool))
    return np.asarray(wrong_K[::-1], dtype=np.float64), np.asarray(count_K[::-1], dtype=np.int64)
