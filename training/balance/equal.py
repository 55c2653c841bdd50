"""Equal weights: the plain sum of the tasks' losses."""

from torch import Tensor, nn


class EqualWeights(nn.Module):
    """Every task that has a label in the batch weighs 1 (the baseline of Kurin et al. 2022,
    arXiv:2201.04122).
    """

    def forward(self, losses: dict[str, Tensor], step: int) -> Tensor:  # noqa: ARG002 - the balancers' interface
        """The sum of the losses, a scalar."""
        return sum_of(losses)

    def weights(self) -> dict[str, float]:
        """The weight that each task has now; empty where all are 1."""
        return {}


def sum_of(losses: dict[str, Tensor]) -> Tensor:
    """The sum of at least one scalar loss."""
    values = list(losses.values())
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
