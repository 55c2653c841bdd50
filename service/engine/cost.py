"""A batch's shape and what it took come in; what the next batch will take goes out.

Shapes: F features. Of B tickets padded to L tokens these are 1, B*L, B*L*L and (B*L)^2.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
Numbers = NDArray[np.float64] | NDArray[np.int64] | float

_UNIT_TOKENS = 1000.0
"""Tokens are counted in thousands, so that the coefficients are of one magnitude."""

_LEAST_S = 1e-6


class CostModel:
    """Non-negative least squares with forgetting, learned batch by batch.

    A call has a fixed cost, a cost for each padded token, one for each pair of tokens in a row
    (attention), and one for the square of all its tokens (a batch that outgrows the caches).
    Before there is data the prior predicts. Not thread-safe: the batcher's lock guards it.
    """

    def __init__(
        self,
        fixed_s: float = 0.002,
        kilotoken_s: float = 0.1,
        memory_batches: float = 200.0,
        prior_batches: float = 0.1,
    ) -> None:
        """The prior, and how long it and each measurement count.

        fixed_s, kilotoken_s: seconds of a call and of a thousand tokens, before there is data.
        memory_batches: after so many batches a measurement has lost 63 % of its weight.
        prior_batches: how many measurements the prior weighs as much as.
        """
        self._coefficients_F = np.array([fixed_s, kilotoken_s, 0.0, 0.0])
        self._keep = float(np.exp(-1.0 / memory_batches))
        # Nobody knows the quadratic costs beforehand: they are held more loosely.
        scale_F = np.array([fixed_s, kilotoken_s, 4 * kilotoken_s, 4 * kilotoken_s])
        # The prior does not fade: it holds the coefficients that the traffic says nothing about.
        self._pull_F = prior_batches / scale_F**2
        self._pulled_F = self._pull_F * self._coefficients_F
        self._normal_FF = np.zeros((len(scale_F), len(scale_F)))
        self._target_F = np.zeros(len(scale_F))

    def predict_s(self, batch: Numbers, length: Numbers) -> Array:
        """Seconds of batches of `batch` tickets padded to `length` tokens; shapes broadcast."""
        fixed, token, pair, square = self._coefficients_F
        spans = np.asarray(length, dtype=np.float64) / _UNIT_TOKENS
        tokens = batch * spans
        seconds: Array = np.maximum(
            fixed + tokens * (token + pair * spans + square * tokens), _LEAST_S
        )
        return seconds

    def update(self, batch: int, length: int, seconds: float) -> None:
        """Learns from one batch.

        Its error counts relative to the time predicted, so that small batches are not drowned;
        relative to the time measured, those that happened to be fast would count for more.
        """
        row_F = _features(batch, length)
        weight = max(float(self.predict_s(batch, length)), 1e-5) ** -2
        self._normal_FF = self._keep * self._normal_FF + weight * np.outer(row_F, row_F)
        self._target_F = self._keep * self._target_F + weight * seconds * row_F
        self._coefficients_F = self._solve()

    def _solve(self) -> Array:
        """The coefficients, none negative, that fit measurements and prior best.

        Through the Cholesky factor C of the normal equations: |C^T x - C^-1 y| is least.
        """
        factor_FF = np.linalg.cholesky(self._normal_FF + np.diag(self._pull_F))
        right_F = np.linalg.solve(factor_FF, self._target_F + self._pulled_F)
        solution_F: Array = nnls(factor_FF.T, right_F)[0]
        return solution_F


def _features(batch: float, length: float) -> Array:
    span = length / _UNIT_TOKENS
    tokens = batch * span
    return np.array([1.0, tokens, tokens * span, tokens * tokens])
