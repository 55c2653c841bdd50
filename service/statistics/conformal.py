"""Probabilities come in; how strange each label would be (its conformal score), and the quantile of
the true labels' scores that a set of labels is cut at, go out.

A set holds the labels whose score is at most the quantile; it holds the final label of at least
`coverage` of the tickets, if those are like the calibration tickets (Vovk et al. 2005; Angelopoulos
& Bates 2021, arXiv:2107.07511). Shapes: N tickets, C labels, n calibration tickets.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from service.contract.promises import SetMethod

FloatArray = NDArray[np.floating]


def lac_scores(probabilities_NC: FloatArray) -> FloatArray:
    """1 - p of each label: (N, C) (Sadinle et al. 2019, JASA 114, arXiv:1609.00451).

    The smallest sets on average; one may be empty, where no label is probable enough.
    """
    return 1.0 - np.asarray(probabilities_NC, dtype=np.float64)


def aps_scores(probabilities_NC: FloatArray) -> FloatArray:
    """The sum of the probabilities of the labels before each one, the most probable first: (N, C)
    (Romano et al. 2020, arXiv:2006.02544).

    Larger sets for harder tickets, and never an empty one: the first label's score is 0. So where
    the first label alone is right more often than `coverage`, sets hold one label and cover more
    than was asked for. Deviation: nothing is drawn at random, so that a ticket gets the same set
    twice; ties go by label order.
    """
    probabilities_NC = np.asarray(probabilities_NC, dtype=np.float64)
    order_NC = np.argsort(-probabilities_NC, axis=1, kind="stable")
    sums_NC = np.cumsum(np.take_along_axis(probabilities_NC, order_NC, axis=1), axis=1)
    before_NC = np.zeros_like(sums_NC)
    before_NC[:, 1:] = sums_NC[:, :-1]
    scores_NC = np.empty_like(sums_NC)
    np.put_along_axis(scores_NC, order_NC, before_NC, axis=1)
    return scores_NC


SCORES: Mapping[SetMethod, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {"lac": lac_scores, "aps": aps_scores}
)


def conformal_quantile(scores_n: FloatArray, coverage: float) -> float | None:
    """The k-th smallest score of the true labels, k = ceil((n + 1) * coverage).

    coverage: within (0, 1). None where k exceeds n: too few tickets, every label is in the set.
    Raises ValueError.
    """
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"coverage must lie within 0 and 1, found {coverage}")
    # 0.95 * 220 is 209.00000000000003 or such in floating point.
    k = max(1, math.ceil((len(scores_n) + 1) * coverage - 1e-9))
    if k > len(scores_n):
        return None
    return float(np.partition(np.asarray(scores_n, dtype=np.float64), k - 1)[k - 1])
