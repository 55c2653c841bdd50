"""The losses of two epochs come in; the next epoch's weights go out.

Shapes: T tasks of the run.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from training.balance.weighted import WeightedLosses

SMALLEST = 1e-8
"""From a loss below it no ratio is taken."""


class DynamicWeightAverage(WeightedLosses):
    """K * softmax(r / temperature), r a task's mean loss of the last epoch over the one before
    (dynamic weight averaging; Liu, Johns & Davison 2019, arXiv:1803.10704, equation 7): a task
    whose loss falls slowly weighs more.

    Every weight is 1 until two epochs are over. Deviations: K counts the tasks that have two losses
    above SMALLEST, and the others weigh 1; a loss that is not finite is not remembered.
    """

    epochs_2T: Tensor
    """Mean losses: the epoch before the last, and the last; NaN where there is none yet."""

    def __init__(self, tasks: tuple[str, ...], temperature: float) -> None:
        super().__init__(tasks)
        self.temperature = temperature
        missing_2T = torch.full((2, len(tasks)), torch.nan, dtype=torch.float64)
        self.register_buffer("epochs_2T", missing_2T)

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """losses: the mean training loss of each task that had a label in the epoch."""
        last_T = self.epochs_2T.new_tensor([losses.get(task, torch.nan) for task in self.tasks])
        fresh_T = last_T.isfinite()
        self.epochs_2T[0, fresh_T] = self.epochs_2T[1, fresh_T]
        self.epochs_2T[1, fresh_T] = last_T[fresh_T]
        self._weigh()

    def _weigh(self) -> None:
        before_T, last_T = self.epochs_2T
        known_T = before_T > SMALLEST  # False where there is none.
        ratios_K = last_T[known_T] / before_T[known_T]
        shares_K = torch.softmax(ratios_K / self.temperature, dim=0)
        self.weights_T.fill_(1.0)
        self.weights_T[known_T] = (len(ratios_K) * shares_K).to(self.weights_T)
