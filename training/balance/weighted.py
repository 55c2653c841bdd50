"""The tasks' losses come in; their sum under one remembered weight a task goes out.

Shapes: T tasks of the run.
"""

import torch
from torch import Tensor

from training.balance.balancer import Balancer, sum_of


class WeightedLosses(Balancer):
    """Sum over the tasks of weight * loss; the weights are a buffer (T,) that starts at 1.

    Which tasks a step has changes nothing for those that it has.
    """

    weights_T: Tensor

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.tasks = tasks
        self.register_buffer("weights_T", torch.ones(len(tasks)))

    def forward(self, losses: dict[str, Tensor], step: int) -> Tensor:  # noqa: ARG002 - the balancers' interface
        """losses: scalars of the tasks with a label in this batch."""
        return sum_of(
            {task: self.weights_T[self.tasks.index(task)] * loss for task, loss in losses.items()}
        )

    def weights(self) -> dict[str, float]:
        """The weight that each task has now."""
        return dict(zip(self.tasks, self.weights_T.tolist(), strict=True))
