"""Log probabilities of ordered classes and labels come in; CORN's loss goes out.

Shapes: B tickets, C classes of the task, in their order.
"""

import torch
from torch import Tensor
from torch.nn import functional

from training.data.dataset import UNLABELLED
from training.loss.loss import Targets, TaskLoss, ticket_weights


class Corn(TaskLoss):
    """Conditional ordinal regression (CORN; Shi, Cao & Raschka 2021, arXiv:2111.08851).

    Of C - 1 yes-or-no questions "is the label above k, given that it is at least k", a ticket
    answers those up to its own label; the loss is their summed binary cross-entropy over the number
    of questions that were answered. By the chain rule a ticket's sum is minus the log probability
    of its class under `CornLink`, so it is read from there, and no question has to be rebuilt.
    Deviation: each ticket counts by its class's weight, which the paper does not have. Votes are
    not read.
    """

    def __init__(self, weights_C: Tensor) -> None:
        """weights_C: float32, (C,), where the logits will be."""
        self.weights_C = weights_C
        classes = len(weights_C)
        asked_C = torch.arange(1, classes + 1, device=weights_C.device).clamp(max=classes - 1)
        self._counted_C = weights_C * asked_C

    def weight(self, targets: Targets) -> Tensor:
        """The weighted number of questions: label + 1 a ticket, of the last class one less."""
        return ticket_weights(self._counted_C, targets.labels_B).sum()

    def total(self, logits_BC: Tensor, targets: Targets) -> Tensor:
        """The weighted sum of the questions' cross-entropies: a scalar.

        logits_BC: what `CornLink` gave, or anything with the same softmax.
        """
        return functional.cross_entropy(
            logits_BC.float(),
            targets.labels_B,
            weight=self.weights_C,
            ignore_index=UNLABELLED,
            reduction="sum",
        )
