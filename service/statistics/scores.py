"""Probabilities and labels come in; proper scores, the lower the better, go out.

Shapes: N tickets, C labels.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

SMALLEST = float(np.finfo(np.float64).eps)


def negative_log_likelihood(probabilities_NC: FloatArray, labels_N: IntArray) -> float:
    """Mean of -log p of the true label, in nats (Good 1952, JRSS B 14).

    probabilities_NC: rows sum to 1; below 2e-16 taken as that, so that one sure mistake stays
    finite. labels_N: indices. Raises ValueError without a ticket or for two lengths.
    """
    of_truth_N = _checked(probabilities_NC, labels_N)[np.arange(len(labels_N)), labels_N]
    return float(-np.log(np.maximum(of_truth_N, SMALLEST)).mean())


def brier(probabilities_NC: FloatArray, labels_N: IntArray) -> float:
    """Mean squared distance of the probabilities from the label, summed over labels: 0 to 2 (Brier
    1950, Monthly Weather Review 78).

    Raises ValueError without a ticket or for two lengths.
    """
    wanted_NC = np.eye(probabilities_NC.shape[1])[labels_N]
    return float(((_checked(probabilities_NC, labels_N) - wanted_NC) ** 2).sum(axis=1).mean())


def _checked(probabilities_NC: FloatArray, labels_N: IntArray) -> FloatArray:
    if len(labels_N) == 0 or len(probabilities_NC) != len(labels_N):
        raise ValueError(f"need equally many, found {len(probabilities_NC)} and {len(labels_N)}")
    return np.asarray(probabilities_NC, dtype=np.float64)
