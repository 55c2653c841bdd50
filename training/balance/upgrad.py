"""UPGrad: each gradient is made to conflict with none, and their mean is taken."""

from torch import Tensor
from torchjd.aggregation import UPGradWeighting

from training.balance.aggregation import Aggregation
from training.balance.projector import NonNegativeProjector


class UnconflictingProjections(Aggregation):
    """The mean of the gradients' projections onto the cone of directions that increase no task's
    loss to first order (Quinton & Rey 2024, arXiv:2406.16232; torchjd's, with the projector of
    `training.balance.projector`).

    Scale: without a conflict it is the mean, 1/T of what equal weights give. The result has no
    negative inner product with any task's gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weighting = UPGradWeighting(projector=NonNegativeProjector())

    def weigh(self, gramian_TT: Tensor, step: int) -> Tensor:  # noqa: ARG002 - nothing is drawn
        """Weights (T,), each at least 1/T."""
        weights_T: Tensor = self.weighting(gramian_TT)
        return weights_T
