"""P values of several tests come in, p values that account for their number go out.

Shapes: K tests.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def holm(p_K: ArrayLike) -> FloatArray:
    """Adjusted p values, shape (K,), in the given order (Holm 1979, Scand. J. Statistics 6).

    The chance of any false rejection at level a is at most a, whatever the dependence. Raises
    ValueError where a p lies outside [0, 1].
    """
    values_K, order_K = _ordered(p_K)
    count = len(values_K)
    stepped_K = np.maximum.accumulate(values_K[order_K] * np.arange(count, 0, -1))
    return _restored(stepped_K, order_K)


def benjamini_hochberg(p_K: ArrayLike) -> FloatArray:
    """Adjusted p values, shape (K,), in the given order (Benjamini & Hochberg 1995, JRSS B 57).

    The expected share of false rejections among those at level a is at most a, for tests that are
    independent or positively dependent. Raises ValueError where a p lies outside [0, 1].
    """
    values_K, order_K = _ordered(p_K)
    count = len(values_K)
    scaled_K = values_K[order_K] * count / np.arange(1, count + 1)
    stepped_K = np.minimum.accumulate(scaled_K[::-1])[::-1]
    return _restored(stepped_K, order_K)


def _ordered(p_K: ArrayLike) -> tuple[FloatArray, NDArray[np.intp]]:
    values_K = np.asarray(p_K, dtype=np.float64)
    if not np.all((values_K >= 0.0) & (values_K <= 1.0)):
        raise ValueError("p values must lie within 0 and 1")
    return values_K, np.argsort(values_K, kind="stable")


def _restored(stepped_K: FloatArray, order_K: NDArray[np.intp]) -> FloatArray:
    adjusted_K = np.empty_like(stepped_K)
    adjusted_K[order_K] = np.minimum(1.0, stepped_K)
    return adjusted_K
