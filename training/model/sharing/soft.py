"""Soft parameter sharing: an encoder a task, held together by the squared distance between
corresponding parameters (Duong et al. 2015, Low resource dependency parsing; Yang & Hospedales
2017, Trace norm regularised deep multi-task learning, arXiv:1606.04038).

Shapes: B batch, L length, H width. T tasks, k layers of L_e that depend on the task, P parameters
of an encoder, P_k of its last k layers.

Parameters: T P, or P + (T - 1) P_k with `top_layers`. Serving cost: T passes, or
1 + (T - 1) k / L_e, with T the tasks that are kept.
"""

import copy
from collections.abc import Iterable
from itertools import combinations
from typing import cast

import torch
from torch import Tensor, nn

from training.attributes import attribute
from training.config.sharing import SoftConfig
from training.model.sharing.columns import Stem, stem_of, twins
from training.model.sharing.trunk import Pooling, Trunk, pool


class SoftSharing(Trunk):
    """The trunk that gives each task an encoder of its own, all alike at first.

    Without `top_layers` each task has a whole encoder, of any type; with it, embeddings and lower
    layers are one, and the encoder must be of a type whose layers are known (ConfigError). The
    first task reads with the encoder itself. Both papers tie two models by L2 or a trace norm; here
    the L2 term is taken over every pair of tasks and averaged, so that `strength` means the same
    for any number of them.
    """

    reads_once = True

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,  # noqa: ARG002 - every scheme is built alike
        settings: SoftConfig,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tasks
        self.pooling = pooling
        self.columns = tasks
        self.strength = settings.strength
        self.stem: Stem | None = None
        if settings.top_layers is not None:
            self.stem = stem_of(encoder, settings.top_layers, settings.scheme)
            self.copies = twins(self.stem, tasks)
        else:
            self.copies = nn.ModuleDict(
                {attribute(task): copy.deepcopy(encoder) for task in tasks[1:]}
            )

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to one (B, H) vector per task of `tasks`."""
        if self.stem is None:
            hidden = self._whole(ids_BL, mask_BL)
        else:
            hidden = self._branched(self.stem, ids_BL, mask_BL)
        return {task: pool(hidden[task], mask_BL, self.pooling) for task in self.tasks}

    @property
    def passes(self) -> float:
        """One whole pass a task that is kept, or one pass and each further task's top layers."""
        kept = len(self.tasks)
        return float(kept) if self.stem is None else self.stem.passes(kept)

    def penalty(self) -> Tensor | None:
        """strength times the mean over pairs of tasks of the summed squared distance between
        corresponding parameters; None for a single task.
        """
        own = [self._own(task) for task in self.columns]
        distances = [_squared_distance(one, other) for one, other in combinations(own, 2)]
        return self.strength * torch.stack(distances).mean() if distances else None

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of every task's encoder."""
        every = (*self.encoder.parameters(), *self.copies.parameters())
        return [one for one in every if one.requires_grad]

    def last_shared(self) -> list[nn.Parameter]:
        """Those of the layer below the branch; nothing where each task has a whole encoder."""
        shared = () if self.stem is None else self.stem.last().parameters()
        return [one for one in shared if one.requires_grad]

    def _whole(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        return {
            task: self._part(task)(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
            for task in self.tasks
        }

    def _branched(self, stem: Stem, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        below_BLH, attention = stem.below(ids_BL, mask_BL)
        return {task: stem.climb(self._column(task), below_BLH, attention) for task in self.tasks}

    def _part(self, task: str) -> nn.Module:
        return self.encoder if task == self.columns[0] else self.copies[attribute(task)]

    def _column(self, task: str) -> Iterable[nn.Module]:
        """The layers or the whole encoder that a task has for itself."""
        if self.stem is not None and task == self.columns[0]:
            return self.stem.crown
        return (self._part(task),) if self.stem is None else cast("nn.ModuleList", self._part(task))

    def _own(self, task: str) -> list[nn.Parameter]:
        return [one for module in self._column(task) for one in module.parameters()]


def _squared_distance(one: list[nn.Parameter], other: list[nn.Parameter]) -> Tensor:
    parts = [(a - b).square().sum() for a, b in zip(one, other, strict=True)]
    return torch.stack(parts).sum()
