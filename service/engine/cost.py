"""A batch's shape and what it took come in; what the next batch will take goes out.

Shapes: F features. Of B tickets padded to L tokens these are 1, B*L, B*L*L and (B*L)^2.
S subsets of the features, P batches that the coefficients do not know yet.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = NDArray[np.float64] | NDArray[np.int64] | float

_UNIT_TOKENS = 1000.0
"""Tokens are counted in thousands, so that the coefficients are of one magnitude."""

_LEAST_S = 1e-6

_EAGER = 64
"""Up to so many batches the coefficients follow each of them, afterwards each `_EVERY`-th: solving
takes longer than all the rest that the batcher does for a ticket.
"""

_EVERY = 16

_RIDGE = 1e-12
"""Keeps a system solvable whose features have become indistinguishable in double precision."""


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
        self._plain_F: list[float] = self._coefficients_F.tolist()
        self._updates = 0
        self._pending: list[tuple[int, float, float, float]] = []

    def seconds(self, batch: int, length: float) -> float:
        """As `predict_s`, of one shape; without arrays, in a tenth of the time."""
        fixed, linear, square = self.by_count(length)
        return fixed + batch * (linear + batch * square)

    def by_count(self, length: float) -> tuple[float, float, float]:
        """(c, b, a): n tickets padded to `length` tokens take c + b n + a n^2 seconds."""
        fixed, token, pair, square = self._plain_F
        span = length / _UNIT_TOKENS
        return max(fixed, _LEAST_S), span * (token + pair * span), square * span * span

    def predict_s(self, batch: Numbers, length: Numbers) -> Array:
        """Seconds of batches of `batch` tickets padded to `length` tokens, or without padding of
        that mean length; shapes broadcast.
        """
        fixed, token, pair, square = self._coefficients_F
        spans = np.asarray(length, dtype=np.float64) / _UNIT_TOKENS
        tokens = batch * spans
        seconds: Array = np.maximum(
            fixed + tokens * (token + pair * spans + square * tokens), _LEAST_S
        )
        return seconds

    def update(self, batch: int, length: float, seconds: float) -> None:
        """Learns from one batch.

        Its error counts relative to the time predicted, so that small batches are not drowned;
        relative to the time measured, those that happened to be fast would count for more.
        """
        weight = max(self.seconds(batch, length), 1e-5) ** -2
        self._pending.append((batch, length, seconds, weight))
        self._updates += 1
        if self._updates <= _EAGER or len(self._pending) >= _EVERY:
            self._fit()

    def _fit(self) -> None:
        batch_P, length_P, seconds_P, weight_P = np.array(self._pending, dtype=np.float64).T
        count = len(self._pending)
        self._pending.clear()
        rows_PF = _features(batch_P, length_P)
        weighted_FP = rows_PF.T * (weight_P * self._keep ** np.arange(count - 1.0, -1.0, -1.0))
        self._normal_FF = self._keep**count * self._normal_FF + weighted_FP @ rows_PF
        self._target_F = self._keep**count * self._target_F + weighted_FP @ seconds_P
        self._coefficients_F = solve_non_negative(
            self._normal_FF + np.diag(self._pull_F), self._target_F + self._pulled_F
        )
        self._plain_F = self._coefficients_F.tolist()


def solve_non_negative(normal_FF: Array, target_F: Array) -> Array:
    """The x >= 0, of shape (F,), for which x'Nx - 2 t'x is least.

    normal_FF: positive definite. Solves for every subset of the features and takes the best answer
    that has no negative entry: exact, and for four features quicker than an active set. `nnls` of
    scipy says the same; importing it would take a third of the service's start.
    """
    unit_F = 1.0 / np.sqrt(np.diag(normal_FF))
    normal_FF = normal_FF * np.outer(unit_F, unit_F) + _RIDGE * np.eye(len(unit_F))
    target_F = target_F * unit_F
    subsets_SF = np.array(list(product((False, True), repeat=len(unit_F))))
    within_SFF = subsets_SF[:, :, None] & subsets_SF[:, None, :]
    systems_SFF = np.where(within_SFF, normal_FF, np.eye(len(unit_F)))
    answers_SF = np.linalg.solve(systems_SFF, (subsets_SF * target_F)[:, :, None])[:, :, 0]
    gains_S = np.where((answers_SF >= 0).all(axis=1), answers_SF @ target_F, -np.inf)
    best_F: Array = answers_SF[np.argmax(gains_S)] * unit_F
    return best_F


def _features(batch_P: Array, length_P: Array) -> Array:
    spans_P = length_P / _UNIT_TOKENS
    tokens_P = batch_P * spans_P
    rows_PF: Array = np.stack(
        [np.ones_like(spans_P), tokens_P, tokens_P * spans_P, tokens_P * tokens_P], axis=1
    )
    return rows_PF
