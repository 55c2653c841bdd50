"""Learned uncertainty weights (Kendall, Gal & Cipolla 2018, arXiv:1705.07115)."""

import torch
from torch import Tensor, nn

from training.attributes import attribute
from training.balance.balancer import Balancer, sum_of

LIMIT = 3.0
"""The log variances stay within +-3: unclamped they drift to minus infinity as a loss reaches
zero.
"""


class UncertaintyWeights(Balancer):
    """Sum over tasks of exp(-s) * loss + s / 2, with one learned log variance s a task.

    Deviations: plain equal weights for the first `equal_steps`; s is put back to +-LIMIT where a
    step led beyond, so that its gradient still counts and can lead it away from there; s must be
    optimised without weight decay, which would pull every weight to 1.
    """

    def __init__(self, tasks: tuple[str, ...], equal_steps: int) -> None:
        super().__init__()
        self.equal_steps = equal_steps
        self.tasks = tasks
        self.log_variances = nn.ParameterDict(
            {attribute(task): nn.Parameter(torch.zeros(())) for task in tasks}
        )

    def forward(self, losses: dict[str, Tensor], step: int) -> Tensor:
        """losses: scalars of the tasks with a label in this batch. step: counted from 0."""
        if step < self.equal_steps:
            return sum_of(losses)
        return sum_of({task: self._weight(task) * loss for task, loss in losses.items()})

    def penalty(self, tasks: tuple[str, ...], step: int) -> Tensor | None:
        """The sum of s / 2; None while the weights wait."""
        if step < self.equal_steps:
            return None
        return sum_of({task: self._bounded(task) / 2.0 for task in tasks})

    def weights(self) -> dict[str, float]:
        """The weight exp(-s) that each task has now."""
        return {task: float(self._weight(task).detach()) for task in self.tasks}

    def _weight(self, task: str) -> Tensor:
        return torch.exp(-self._bounded(task))

    def _bounded(self, task: str) -> Tensor:
        log_variance: Tensor = self.log_variances[attribute(task)]
        with torch.no_grad():
            log_variance.clamp_(-LIMIT, LIMIT)
        return log_variance
