"""Logits and labels come in; one loss per task that has a label in the batch goes out.

Shapes: B batch, C classes of a task.
"""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.data.dataset import UNLABELLED, Dataset
from training.errors import GradientError, LossError

ClassWeights = Literal["none", "sqrt", "balanced"]
WEIGHT_LIMIT = 10.0
"""A class weighs at most so many times the mean: a class with a handful of tickets must not own
the gradient.
"""


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


def task_losses(
    logits: dict[str, Tensor], labels: dict[str, Tensor], weights: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Class-weighted cross-entropy of each task over its labelled tickets, computed in float32.

    A task without a label in the batch is left out, so that it adds no gradient at all.
    """
    losses = {}
    for task, logits_BC in logits.items():
        labels_B = labels[task]
        if bool((labels_B != UNLABELLED).any()):
            losses[task] = functional.cross_entropy(
                logits_BC.float(), labels_B, weight=weights[task], ignore_index=UNLABELLED
            )
    return losses


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
