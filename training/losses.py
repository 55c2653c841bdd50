"""Logits and labels come in; one loss per task that has a label in the step goes out.

Shapes: B batch, C classes of a task.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.dataset import UNLABELLED, Batch, Dataset
from training.errors import GradientError, LossError
from training.loss.loss import Targets, TaskLoss

ClassWeights = Literal["none", "sqrt", "balanced"]
WEIGHT_LIMIT = 10.0
"""A class weighs at most so many times the mean: a class with a handful of tickets must not own
the gradient.
"""


@dataclass(frozen=True)
class Losses:
    """The loss of each task, on one device. share: what every loss is multiplied by; a teacher
    takes the rest.
    """

    each: dict[str, TaskLoss]
    device: torch.device
    share: float = 1.0

    def weights(self, dataset: Dataset, positions_B: NDArray[np.int64]) -> dict[str, float]:
        """What each task's loss over a step's whole batch is divided by; a task without a label
        there is left out, so that it adds no gradient at all.
        """
        found = {
            task: float(loss.weight(self._targets(dataset, task, positions_B)))
            for task, loss in self.each.items()
        }
        return {task: weight for task, weight in found.items() if weight > 0.0}

    def parts(
        self,
        logits: dict[str, Tensor],
        batch: Batch,
        weights: dict[str, float],
        *,
        whole: bool = False,
    ) -> dict[str, Tensor]:
        """A pass's part of each task's loss, a scalar; the parts of a step's passes add up to it.

        A task that has no label in the pass is left out. whole: the teacher is silent, so the
        labels alone are learned from.
        """
        found, share = dict[str, Tensor](), 1.0 if whole else self.share
        for task, weight in weights.items():
            targets = Targets(batch.labels[task], batch.votes.get(task))
            if bool(targets.labelled_B.any()):
                total = self.each[task].total(logits[task], targets)
                found[task] = total * (share / weight)
        return found

    def _targets(self, dataset: Dataset, task: str, positions_B: NDArray[np.int64]) -> Targets:
        labels_B = torch.from_numpy(dataset.labels(task)[positions_B])
        votes_NC = dataset.votes.get(task)
        if votes_NC is None:
            return Targets(labels_B.to(self.device))
        votes_BC = torch.from_numpy(votes_NC[positions_B])
        return Targets(labels_B.to(self.device), votes_BC.to(self.device))


def class_weights(dataset: Dataset, task: str, classes: int, kind: ClassWeights) -> Tensor:
    """Weights (C,) with mean 1 over the labelled tickets, then cut to WEIGHT_LIMIT.

    balanced: inverse frequency (King & Zeng 2001); sqrt: its square root; none: ones. A class
    without a ticket gets weight 1.
    """
    labels_N = dataset.labels(task)
    counts = np.bincount(labels_N[labels_N != UNLABELLED], minlength=classes).astype(float)
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[kind]
    raw = (counts.sum() / classes / np.maximum(counts, 1.0)) ** power
    mean = float((raw * counts).sum() / max(counts.sum(), 1.0)) or 1.0
    weights = np.where(counts > 0, np.minimum(raw / mean, WEIGHT_LIMIT), 1.0)
    return torch.tensor(weights, dtype=torch.float32)


def check_finite(losses: dict[str, float], step: int) -> None:
    """Raises LossError naming the first task whose loss is not finite."""
    for task, loss in losses.items():
        if not math.isfinite(loss):
            rule = f"the loss of task {task} must be finite, found {loss} at step {step}"
            raise LossError(f"{rule}; the optimiser was not stepped", task)


def check_gradient(norm: float, step: int) -> None:
    """Raises GradientError where the gradient's norm is not finite."""
    if not math.isfinite(norm):
        rule = f"the gradient's norm must be finite, found {norm} at step {step}"
        raise GradientError(f"{rule}; the optimiser was not stepped")
