"""Equal weights: the plain sum of the tasks' losses."""

from torch import Tensor

from training.balance.balancer import Balancer, sum_of


class EqualWeights(Balancer):
    """Every task that has a label in the batch weighs 1 (the baseline of Kurin et al. 2022,
    arXiv:2201.04122).
    """

    def forward(self, losses: dict[str, Tensor], step: int) -> Tensor:  # noqa: ARG002 - the balancers' interface
        """The sum of the losses, a scalar."""
        return sum_of(losses)
