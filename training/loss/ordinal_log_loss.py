"""Logits and ordered labels come in; the ordinal log-loss goes out.

Shapes: B tickets, C classes of the task, in their order.
"""

import torch
from torch import Tensor

from training.loss.loss import Targets, TaskLoss, ticket_weights

POWER = 1.5
"""Of the distance between two classes: a miss by four costs eight times a miss by one."""


class OrdinalLogLoss(TaskLoss):
    """The ordinal log-loss: -sum over c of |c - y|^power x log(1 - p_c) (Castagnos, Mihelich &
    Dognin 2022, A Simple Log-based Loss Function for Ordinal Text Classification, COLING,
    aclanthology.org/2022.coling-1.407).

    Deviations: each ticket counts by its class's weight, which the paper does not have; and
    log(1 - p_c) is exact where p_c rounds to 1, where the paper's code is infinite. Votes are not
    read.
    """

    def __init__(self, weights_C: Tensor, power: float = POWER) -> None:
        """weights_C: float32, (C,), where the logits will be. power: the paper's alpha, above 0."""
        self.weights_C = weights_C
        places_C = torch.arange(len(weights_C), device=weights_C.device, dtype=torch.float32)
        self._distances_CC = (places_C[:, None] - places_C).abs() ** power

    def weight(self, targets: Targets) -> Tensor:
        """The sum of the tickets' class weights: their number where all weights are 1."""
        return ticket_weights(self.weights_C, targets.labels_B).sum()

    def total(self, logits_BC: Tensor, targets: Targets) -> Tensor:
        """The weighted sum over labelled tickets: a scalar."""
        labels_B = targets.labels_B
        missed_BC = log_complement(logits_BC.float())
        paid_B = -(self._distances_CC[labels_B.clamp(min=0)] * missed_BC).sum(dim=1)
        return (ticket_weights(self.weights_C, labels_B) * paid_B).sum()


def log_complement(logits_BC: Tensor) -> Tensor:
    """log(1 - p_c) of the softmax's p, (B, C), for at least two classes.

    At most one class has more than half; its complement is summed from the others, since 1 - p
    loses every digit as p goes to 1.
    """
    logs_BC = torch.log_softmax(logits_BC, dim=1)
    top_BC = torch.zeros_like(logs_BC, dtype=torch.bool)
    top_BC.scatter_(1, logs_BC.argmax(dim=1, keepdim=True), value=True)
    others_B1 = logs_BC.masked_fill(top_BC, -torch.inf).logsumexp(dim=1, keepdim=True)
    # Filled before the logarithm: an infinity that `where` drops would still give a NaN gradient.
    rest_BC = torch.log1p(-logs_BC.exp().masked_fill(top_BC, 0.0))
    return others_B1.where(top_BC, rest_BC)
