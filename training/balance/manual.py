"""Weights that a configuration states come in; the losses' sum under them goes out."""

from collections.abc import Mapping

import torch

from training.balance.weighted import WeightedLosses


class ManualWeights(WeightedLosses):
    """Sum over the tasks of a stated weight * loss (static weighting; Xin et al. 2022,
    arXiv:2209.11379, find it hard to beat once it is tuned).

    A task that `stated` leaves out weighs 1. A weight is at least 0; 0 leaves the task to its own
    fate: it is measured and learns nothing.
    """

    def __init__(self, tasks: tuple[str, ...], stated: Mapping[str, float]) -> None:
        super().__init__(tasks)
        self.weights_T.copy_(torch.tensor([stated.get(task, 1.0) for task in tasks]))
