"""Logits and labels, or votes, come in; class-weighted cross-entropy goes out.

Shapes: B tickets, K tickets with a label or votes, C classes of the task.
"""

from torch import Tensor
from torch.nn import functional

from training.data.dataset import UNLABELLED
from training.loss.loss import Targets, TaskLoss, ticket_weights


class CrossEntropy(TaskLoss):
    """Cross-entropy with class weights and label smoothing (Szegedy et al. 2016,
    arXiv:1512.00567); a ticket with votes is told their shares, not its label (Peterson et al.
    2019, arXiv:1908.07086).

    Of labels alone, `total` over `weight` is `torch.nn.functional.cross_entropy`. Of votes it is
    not: torch divides soft labels by the number of tickets, this by their mean class weight too,
    so that votes that all agree are worth what the label is.
    """

    def __init__(self, weights_C: Tensor, label_smoothing: float = 0.0) -> None:
        """weights_C: float32, (C,), where the logits will be. label_smoothing: in [0, 1), the
        share of the target that is spread over all classes.
        """
        self.weights_C = weights_C
        self.label_smoothing = label_smoothing

    def weight(self, targets: Targets) -> Tensor:
        """The sum of the tickets' class weights, smoothing left out, as torch has it."""
        if targets.votes_BC is None:
            return ticket_weights(self.weights_C, targets.labels_B).sum()
        return (_shares(targets, targets.votes_BC) * self.weights_C).sum()

    def total(self, logits_BC: Tensor, targets: Targets) -> Tensor:
        """Minus the weighted log probabilities of the targets, summed: a scalar."""
        if targets.votes_BC is None:
            return self._sum(logits_BC, targets.labels_B)
        kept_B = targets.labelled_B
        return self._sum(logits_BC[kept_B], _shares(targets, targets.votes_BC)[kept_B])

    def _sum(self, logits: Tensor, wanted: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits.float(),
            wanted,
            weight=self.weights_C,
            ignore_index=UNLABELLED,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )


def _shares(targets: Targets, votes_BC: Tensor) -> Tensor:
    """Votes where there are any, else the label as a row of one 1, else zeros: (B, C)."""
    labels_B = targets.labels_B
    told_BC = functional.one_hot(labels_B.clamp(min=0), votes_BC.shape[1]).to(votes_BC.dtype)
    told_BC = told_BC * (labels_B != UNLABELLED)[:, None]
    return votes_BC.where(targets.voted_B[:, None], told_BC)
