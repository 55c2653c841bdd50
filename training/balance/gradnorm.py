"""Gradient norms and losses of a step come in; weights under which the tasks learn at like rates
go out.

Shapes: T tasks of the run, K of them with a label in the step.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from training.balance.weighted import WeightedLosses

FACTOR = 10.0
"""A step here is `rate` * FACTOR: the one rate of the configuration is meant for Adam on log
variances, which has its own momentum; plain steps of 0.001 would need a whole run.
"""


class GradNorm(WeightedLosses):
    """Weights that lead each task's weighted gradient norm at the last shared layer to the mean of
    them times (its relative inverse training rate) ** restoring (Chen et al. 2018,
    arXiv:1711.02257, algorithm 1).

    The training rate is loss / first loss seen; relative means over the mean of the step's tasks.
    Deviations: descent on log weights, with the paper's L1 objective divided by the mean norm, so
    that a weight stays above 0 and a step does not depend on the scale of the losses; a task
    without a label in the step keeps its weight, and the sum of the others is kept, so the total
    stays T; the weights wait for `equal_steps`; a step whose figures are not finite is passed
    over.
    """

    probes = True
    firsts_T: Tensor
    """The first loss of each task; NaN before it."""

    def __init__(
        self, tasks: tuple[str, ...], rate: float, restoring: float, equal_steps: int
    ) -> None:
        super().__init__(tasks)
        self.rate = rate * FACTOR
        self.restoring = restoring
        self.equal_steps = equal_steps
        self.register_buffer("firsts_T", torch.full((len(tasks),), torch.nan, dtype=torch.float64))

    def probe(self, norms: Mapping[str, float], losses: Mapping[str, float], step: int) -> None:
        """norms: of the unweighted gradients at the last shared layer, at least 0. losses: of the
        same tasks, unweighted. step: counted from 0.
        """
        places_K = [place for place, task in enumerate(self.tasks) if task in norms]
        present = [self.tasks[place] for place in places_K]
        norms_K = self.firsts_T.new_tensor([norms[task] for task in present])
        losses_K = self.firsts_T.new_tensor([losses[task] for task in present])
        if not bool(torch.isfinite(norms_K + losses_K).all()):
            return
        firsts_K = self.firsts_T[places_K]
        self.firsts_T[places_K] = torch.where(firsts_K.isnan(), losses_K, firsts_K)
        if step >= self.equal_steps and len(present) > 1:
            rates_K = losses_K / self.firsts_T[places_K].clamp_min(torch.finfo(torch.float32).tiny)
            self.weights_T[places_K] = self._stepped(
                self.weights_T[places_K].double(), norms_K, rates_K
            ).to(self.weights_T)

    def _stepped(self, weights_K: Tensor, norms_K: Tensor, rates_K: Tensor) -> Tensor:
        weighted_K = weights_K * norms_K
        mean, mean_rate = weighted_K.mean(), rates_K.mean()
        if mean <= 0.0 or mean_rate <= 0.0:
            return weights_K
        # The goal counts as a constant, as in the paper.
        goals_K = mean * (rates_K / mean_rate) ** self.restoring
        slopes_K = torch.sign(weighted_K - goals_K) * weighted_K / mean
        stepped_K = weights_K * torch.exp(-self.rate * slopes_K)
        return stepped_K * (weights_K.sum() / stepped_K.sum())
