"""Tokens come in, logits per task go out: a trunk and one head for each task.

Shapes: B batch, L length, H width, C classes of a task.
"""

from collections.abc import Collection, Mapping
from typing import Literal

from torch import Tensor, nn

from service.contract.tasks import Task
from training.attributes import attribute
from training.config import ModelConfig
from training.config.tasks import Loss
from training.loss.corn_link import CornLink
from training.model.sharing.build import build_trunk
from training.model.sharing.trunk import Trunk

_CROSS_ENTROPY: Mapping[str, Loss] = {}


class Network(nn.Module):
    """Everything after the trunk is the same for every sharing scheme."""

    trunk: Trunk

    def __init__(
        self,
        trunk: Trunk,
        tasks: tuple[Task, ...],
        width: int,
        model: ModelConfig,
        losses: Mapping[str, Loss] = _CROSS_ENTROPY,
    ) -> None:
        """losses: by task, cross-entropy where one is not named: CORN's head has a link behind."""
        super().__init__()
        self.tasks = tasks
        self.trunk = trunk
        self.heads = nn.ModuleDict(
            {
                attribute(task.name): _head(task, width, model, losses.get(task.name))
                for task in tasks
            }
        )

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to raw logits (B, C) per task, in the order of
        `tasks`.
        """
        return self.answer(self.trunk(ids_BL, mask_BL))

    def keep(self, names: Collection[str]) -> None:
        """Answers for these tasks alone from now on; the others' heads are dropped."""
        self.tasks = tuple(task for task in self.tasks if task.name in names)
        kept = {attribute(task.name) for task in self.tasks}
        for name in [name for name in self.heads if name not in kept]:
            del self.heads[name]
        self.trunk.keep(tuple(task.name for task in self.tasks))

    def answer(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """The heads alone: one (B, H) vector per task to raw logits (B, C) per task."""
        names = (task.name for task in self.tasks)
        return {name: self.heads[attribute(name)](features[name]) for name in names}


def build_network(
    encoder: nn.Module,
    width: int,
    tasks: tuple[Task, ...],
    model: ModelConfig,
    losses: Mapping[str, Loss] = _CROSS_ENTROPY,
) -> Network:
    """The network of a run: its sharing scheme and one head a task. Raises ConfigError."""
    names = tuple(task.name for task in tasks)
    trunk = build_trunk(encoder, width, names, model)
    return Network(trunk, tasks, width, model, losses)


def _head(task: Task, width: int, model: ModelConfig, loss: Loss | None) -> nn.Module:
    if loss != "corn":
        return head(model.head, width, task.classes, model.dropout)
    return nn.Sequential(head(model.head, width, task.classes - 1, model.dropout), CornLink())


def head(kind: Literal["linear", "gelu"], width: int, classes: int, dropout: float) -> nn.Module:
    """The layers that answer one task: (B, H) to (B, C); `gelu` has one hidden layer of the same
    width.
    """
    if kind == "linear":
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(width, classes))
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(width, classes),
    )
