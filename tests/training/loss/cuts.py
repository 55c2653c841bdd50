"""A loss, logits and targets come in; what every loss must keep is asked of them."""

import torch
from torch import Tensor

from training.data.dataset import UNLABELLED
from training.loss.loss import Targets, TaskLoss


def step_loss(loss: TaskLoss, logits_BC: Tensor, targets: Targets) -> Tensor:
    """The loss of a step whose batch is not cut."""
    return loss.total(logits_BC, targets) / loss.weight(targets)


def cut_loss(loss: TaskLoss, logits_BC: Tensor, targets: Targets, cuts: list[int]) -> Tensor:
    """The same from passes of these sizes."""
    votes = targets.votes_BC
    parts = zip(
        logits_BC.split(cuts),
        targets.labels_B.split(cuts),
        votes.split(cuts) if votes is not None else [None] * len(cuts),
        strict=True,
    )
    totals = [loss.total(part, Targets(labels, shares)) for part, labels, shares in parts]
    return torch.stack(totals).sum() / loss.weight(targets)


def slope(loss: TaskLoss, logits_BC: Tensor, targets: Targets) -> Tensor:
    """The gradient of the summed loss by the logits."""
    asked_BC = logits_BC.detach().clone().requires_grad_()
    loss.total(asked_BC, targets).backward()
    assert asked_BC.grad is not None
    return asked_BC.grad


def some(classes: int, tickets: int = 12, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, C), labels (B,) of which every fourth is missing, and class weights (C,)."""
    chance = torch.Generator().manual_seed(seed)
    logits_BC = 3.0 * torch.randn(tickets, classes, generator=chance)
    labels_B = torch.randint(classes, (tickets,), generator=chance)
    labels_B[::4] = UNLABELLED
    return logits_BC, labels_B, torch.rand(classes, generator=chance) + 0.2
