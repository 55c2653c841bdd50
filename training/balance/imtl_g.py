"""IMTL-G: the direction that has one projection onto every task's gradient."""

import torch
from torch import Tensor
from torchjd.aggregation import IMTLGWeighting

from training.balance.aggregation import RIDGE, Aggregation, cosines


class ImpartialGradient(Aggregation):
    """The sum of the gradients under weights that add up to 1 and give it the same projection onto
    each of them (Liu et al. 2021, "Towards Impartial Multi-task Learning", ICLR; torchjd's).

    Scale: an affine mean; the shortest gradient weighs most, and a weight may be negative.
    Deviations: found for gradients of length 1 and scaled after, which is the same solution and
    loses no short gradient to rounding; RIDGE on the diagonal of their inner products; where
    weights that add up to 1 would point against every task, their sign is turned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weighting = IMTLGWeighting()

    def weigh(self, gramian_TT: Tensor, step: int) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """Weights (T,), 1 or -1 in sum."""
        cosines_TT, norms_T = cosines(gramian_TT)
        ridged_TT = cosines_TT + RIDGE * torch.eye(len(norms_T), dtype=torch.float64)
        weights_T = self.weighting(ridged_TT) / norms_T
        total = weights_T.sum().abs()
        return weights_T / total if total > 0.0 else torch.zeros_like(weights_T)
