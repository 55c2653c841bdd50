"""CAGrad: the gradient near the mean that improves the worst-off task most."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from training.balance.aggregation import Aggregation

STATIONARY = 1e-4
"""The worst mixture of gradients counts as zero below this share of their joint norm."""


class ConflictAverse(Aggregation):
    """The d that maximises the smallest inner product with a task's gradient over all d within
    c * |mean| of the mean (Liu et al. 2021, arXiv:2110.14048, algorithm 1).

    From the dual: d = mean + c * |mean| * g / |g|, where g is the mixture of gradients that
    minimises g . mean + c * |mean| * |g|. Solved by scipy's SLSQP, as in the authors' code, since
    torchjd's weighting wants the cvxpy package; the rest follows torchjd: zeros where g is
    (approximately) zero, for then the tasks cannot all improve.

    Scale: the mean's, give or take c; the authors' later division by 1 + c^2 is not made. With c
    below 1 the result descends on the mean loss; c = 0 is the mean itself.
    """

    def __init__(self, conflict: float) -> None:
        super().__init__()
        self.conflict = conflict

    def weigh(self, gramian_TT: Tensor, step: int) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """Weights (T,), at least 1/T each; zeros at a stationary point."""
        scaled_TT = (gramian_TT / gramian_TT.trace()).numpy()
        count = len(scaled_TT)
        means_T = scaled_TT.mean(axis=1)
        radius = self.conflict * math.sqrt(max(float(means_T.mean()), 0.0))
        mixture_T = _worst_mixture(scaled_TT, means_T, radius)
        norm = math.sqrt(max(float(mixture_T @ scaled_TT @ mixture_T), 0.0))
        if norm < STATIONARY:
            return torch.zeros(count, dtype=torch.float64)
        return torch.from_numpy(1.0 / count + radius / norm * mixture_T)


def _worst_mixture(
    gramian_TT: NDArray[np.float64], means_T: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """The w >= 0, 1 in sum, that minimises w . means + radius * sqrt(w' G w)."""

    def value(mixture_T: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        product_T = gramian_TT @ mixture_T
        norm = math.sqrt(max(float(mixture_T @ product_T), 1e-16))
        return float(mixture_T @ means_T) + radius * norm, means_T + radius / norm * product_T

    count = len(means_T)
    found = minimize(
        value,
        np.full(count, 1.0 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={
            "type": "eq",
            "fun": lambda mixture_T: mixture_T.sum() - 1.0,
            "jac": np.ones_like,
        },
        options={"ftol": 1e-12, "maxiter": 200},
    )
    mixture_T = np.clip(found.x, 0.0, None)
    return np.asarray(mixture_T / mixture_T.sum())
