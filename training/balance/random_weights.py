"""A seed and a step come in; the losses' sum under that step's random weights goes out."""

import numpy as np
from torch import Tensor

from training.balance.balancer import Balancer, sum_of

STREAM = 0x52_4C_57
"""Keeps these draws apart from the sampler's, which start from the same seed."""


class RandomWeights(Balancer):
    """T * softmax of T standard normals, drawn anew each step (random loss weighting; Lin et al.
    2022, arXiv:2111.10603): what a weighting has to beat.

    Deviations: T times the paper's weights, so that a task weighs 1 in the mean, as it does under
    equal weights; the softmax runs over all tasks of the run, so that one without a label in the
    step changes nothing for the others. The draw is a function of seed and step.
    """

    def __init__(self, tasks: tuple[str, ...], seed: int) -> None:
        super().__init__()
        self.tasks = tasks
        self.seed = seed

    def forward(self, losses: dict[str, Tensor], step: int) -> Tensor:
        """losses: scalars of the tasks with a label in this batch. step: counted from 0."""
        drawn = self.drawn(step)
        return sum_of({task: drawn[task] * loss for task, loss in losses.items()})

    def drawn(self, step: int) -> dict[str, float]:
        """The weights of a step: above 0, and T in sum."""
        normals_T = np.random.default_rng((STREAM, self.seed, step)).standard_normal(
            len(self.tasks)
        )
        odds_T = np.exp(normals_T)
        weights_T = len(self.tasks) * odds_T / odds_T.sum()
        return dict(zip(self.tasks, weights_T.tolist(), strict=True))
