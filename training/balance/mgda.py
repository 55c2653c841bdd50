"""MGDA: the shortest vector among the gradients' weighted means."""

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from training.balance.aggregation import RIDGE, Aggregation


class MinimumNorm(Aggregation):
    """The point of least norm in the gradients' convex hull (Désidéri 2012; Sener & Koltun 2018,
    arXiv:1810.04650, equation 3).

    Scale: a weighted mean, never longer than the shortest gradient, so the task with the least
    gradient decides how far the shared parameters go. The result has the same, non-negative inner
    product with each gradient that has a weight.

    Deviation: solved to the end by non-negative least squares. torchjd's MGDA, the paper's
    Frank-Wolfe, stops after 100 steps: up to 4 % too long for three gradients of like or unlike
    length, and farther from the point the more of them there are.
    """

    def weigh(self, gramian_TT: Tensor, step: int) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """Weights (T,), at least 0 and 1 in sum."""
        scaled_TT = (gramian_TT / gramian_TT.diagonal().min()).numpy()
        ridged_TT = scaled_TT + RIDGE * np.diag(scaled_TT.diagonal())
        # The least |A w|^2 + (sum w - 1)^2 over w >= 0 lies on the ray through the wanted point.
        factor_TT = np.linalg.cholesky(ridged_TT).T
        system_ST = np.vstack([factor_TT, np.ones(len(factor_TT))])
        found_T, _ = nnls(system_ST, np.eye(len(system_ST))[-1])
        return torch.from_numpy(found_T / found_T.sum())
