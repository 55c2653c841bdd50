"""The narrow protocol of a task's loss: logits and targets to a sum and its normaliser.

Shapes: B tickets, C classes of the task.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.dataset import UNLABELLED


@dataclass(frozen=True)
class Targets:
    """What the tickets of a batch, or of a part of it, should be told.

    labels_B: int64 indices, UNLABELLED where there is none. votes_BC: float32, the share of the
    votes that each class had, where a ticket has votes; a row of zeros where it has none. None
    where the task has no votes at all.
    """

    labels_B: Tensor
    votes_BC: Tensor | None = None

    @property
    def voted_B(self) -> Tensor:
        """Which tickets have votes, (B,) bool."""
        if self.votes_BC is None:
            return torch.zeros_like(self.labels_B, dtype=torch.bool)
        return self.votes_BC.sum(dim=1) > 0

    @property
    def labelled_B(self) -> Tensor:
        """Which tickets have a label or votes, (B,) bool: a tie of votes has no label."""
        return (self.labels_B != UNLABELLED) | self.voted_B


class TaskLoss(ABC):
    """One task's loss, in two parts, so that a batch may be cut in any way.

    The loss of a step is the sum of `total` over the passes of its batch, divided by `weight` of
    the whole batch: the same for any cut. A task whose `weight` is 0 has no loss in that step.
    """

    @abstractmethod
    def weight(self, targets: Targets) -> Tensor:
        """What a sum over these targets is divided by: a float32 scalar, 0 without a label."""

    @abstractmethod
    def total(self, logits_BC: Tensor, targets: Targets) -> Tensor:
        """The sum, not the mean, over these tickets: a scalar, computed in float32.

        logits_BC: what the head said, (B, C), in any floating type. A ticket without a label adds
        exactly zero to the sum and to each gradient.
        """


def ticket_weights(weights_C: Tensor, labels_B: Tensor) -> Tensor:
    """The weight of each ticket's class, (B,); 0 for an unlabelled one."""
    labelled_B = labels_B != UNLABELLED
    return weights_C[labels_B.clamp(min=0)] * labelled_B
