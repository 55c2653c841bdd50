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
    values_K = np.asarray(p_K, dtype=np.float64)
    if not np.all((values_K >= 0.0) & (values_K <= 1.0)):
        raise ValueError("p values must lie within 0 and 1")
    order_K = np.argsort(values_K, kind="stable")
    stepped_K = np.maximum.accumulate(values_K[order_K] * np.arange(len(values_K), 0, -1))
    adjusted_K = np.empty_like(values_K)
    adjusted_K[order_K] = np.minimum(1.0, stepped_K)
    return adjusted_K
