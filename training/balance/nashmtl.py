"""Nash-MTL: the gradient that the tasks would agree on in a bargaining game."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.balance.aggregation import RIDGE, Aggregation, cosines

SETTLED, ITERATIONS = 1e-10, 1000


class BargainedGradient(Aggregation):
    """The sum of the gradients under the weights a > 0 with (G a)_i = 1 / a_i, G their inner
    products divided by the Frobenius norm (Navon et al. 2022, arXiv:2202.01017, equation 2 and the
    authors' scaling): the weights that maximise the product of the tasks' first-order gains.

    Scale: the sum for equal gradients; its length is sqrt(T * Frobenius norm) and, unlike a mean's,
    does not shrink as the gradients come to cancel, so the loop's clipping is what bounds a step.

    Deviations: the authors (and torchjd, which wants the cvxpy package for it) approach the
    solution by a sequence of convex programs, each from the last step's weights. It is the minimum
    of the convex a' G a / 2 - sum of log a, so Newton's method finds it from anywhere: nothing is
    kept from step to step, and T may change. The authors' cap of the length at 1 is left to the
    loop.
    """

    def weigh(self, gramian_TT: Tensor, step: int) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """Weights (T,), above 0."""
        cosines_TT, norms_T = cosines(gramian_TT)
        # With D the norms and C the cosines, D C D a = 1 / a is C b = 1 / b for b = D a.
        shares_T = torch.from_numpy(_solve(cosines_TT.numpy()))
        size: Tensor = torch.linalg.matrix_norm(gramian_TT)
        return shares_T / norms_T * size.sqrt()


def _solve(cosines_TT: NDArray[np.float64]) -> NDArray[np.float64]:
    """The b > 0 with (C + RIDGE) b = 1 / b, by Newton's method damped as for a self-concordant
    function (Boyd & Vandenberghe 2004, section 9.6): no step leads out of b > 0.
    """
    ridged_TT = cosines_TT + RIDGE * np.eye(len(cosines_TT))
    shares_T = np.ones(len(cosines_TT))
    for _ in range(ITERATIONS):
        slope_T = ridged_TT @ shares_T - 1.0 / shares_T
        step_T = np.linalg.solve(ridged_TT + np.diag(shares_T**-2), slope_T)
        decrement = math.sqrt(max(float(slope_T @ step_T), 0.0))
        shares_T = shares_T - step_T / (1.0 + decrement if decrement > 0.25 else 1.0)
        if decrement < SETTLED:
            break
    return shares_T
