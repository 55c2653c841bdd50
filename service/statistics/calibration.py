"""Confidences and whether they were right come in; reliability and expected calibration error go
out.

Shapes: N predictions, K bins.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

DEFAULT_BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Equal-mass bins from the least to the most confident; each array has shape (K,)."""

    count: NDArray[np.int64]
    confidence: FloatArray
    accuracy: FloatArray

    @property
    def weight(self) -> FloatArray:
        """Each bin's share of the predictions."""
        return np.asarray(self.count / self.count.sum())

    @property
    def gap(self) -> FloatArray:
        """Mean confidence minus accuracy: above zero where the model is too sure."""
        return np.asarray(self.confidence - self.accuracy)


def reliability(
    confidence_N: FloatArray, correct_N: BoolArray, bins: int = DEFAULT_BINS
) -> Reliability:
    """Mean confidence and accuracy in bins of equal mass (Nguyen & O'Connor 2015,
    arXiv:1508.05154).

    Fewer predictions than bins give one bin a prediction. Raises ValueError where there are none.
    """
    if len(confidence_N) == 0 or len(confidence_N) != len(correct_N):
        raise ValueError(f"need equally many, found {len(confidence_N)} and {len(correct_N)}")
    order = np.argsort(confidence_N, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return Reliability(
        count=np.array([len(part) for part in parts]),
        confidence=np.array([float(np.mean(confidence_N[part])) for part in parts]),
        accuracy=np.array([float(np.mean(correct_N[part])) for part in parts]),
    )


def expected_calibration_error(
    confidence_N: FloatArray, correct_N: BoolArray, bins: int = DEFAULT_BINS
) -> float:
    """The plug-in ECE over equal-mass bins: biased upward, more so for few predictions."""
    table = reliability(confidence_N, correct_N, bins)
    return float(np.sum(table.weight * np.abs(table.gap)))


def debiased_calibration_error(
    confidence_N: FloatArray, correct_N: BoolArray, bins: int = DEFAULT_BINS
) -> float:
    """The ECE less its bias, as Kumar et al. 2019 (arXiv:1909.10155) estimate it, at least 0.

    A bin's observed gap g has the standard error s; the bias is taken to be the mean of |N(g, s^2)|
    less |g|. Deviation: they draw samples; the mean of a folded normal is used here in closed form.
    """
    table = reliability(confidence_N, correct_N, bins)
    gap = np.abs(table.gap)
    error = np.sqrt(table.accuracy * (1.0 - table.accuracy) / table.count)
    bias = _folded_mean(gap, error) - gap
    return float(max(0.0, np.sum(table.weight * (gap - bias))))


def _folded_mean(mean_K: FloatArray, deviation_K: FloatArray) -> FloatArray:
    safe = np.where(deviation_K > 0.0, deviation_K, 1.0)
    ratio = mean_K / safe
    folded = 2.0 * safe * norm.pdf(ratio) + mean_K * (1.0 - 2.0 * norm.cdf(-ratio))
    return np.where(deviation_K > 0.0, folded, np.abs(mean_K))
