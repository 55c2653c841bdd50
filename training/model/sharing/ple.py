"""Progressive layered extraction: experts for all tasks beside experts for each, weighed by gates,
level upon level (Tang et al. 2020, Progressive layered extraction, RecSys,
doi:10.1145/3383313.3412236).

Shapes: B batch, L length, H width, D width within an expert, E experts that a gate weighs. T tasks,
S shared experts and O own ones a task at each of V levels, P parameters of the encoder.

Parameters: P + V ((S + T O) (2 H D + D + H) + T H (S + O)) + (V - 1) H (S + T O). Serving cost: one
pass for all tasks, and the experts, which read one vector a ticket and stream.
"""

from collections.abc import Collection
from typing import cast

import torch
from torch import Tensor, nn

from training.attributes import attribute
from training.config.sharing import PleConfig
from training.model.sharing.experts import Gate, answers_of, experts, loads_of
from training.model.sharing.trunk import Pooling, Trunk, pool


class Extraction(nn.Module):
    """One level: streams of vectors (B, H), one a task and a shared one, to the streams of the
    next. The last level gives no shared one.
    """

    def __init__(
        self, tasks: tuple[str, ...], width: int, settings: PleConfig, *, last: bool
    ) -> None:
        super().__init__()
        inner = settings.expert or width
        names = [attribute(task) for task in tasks]
        self.shared = experts(settings.shared, width, inner)
        self.own = nn.ModuleDict({name: experts(settings.own, width, inner) for name in names})
        self.gates = nn.ModuleDict(
            {name: Gate(width, settings.own + settings.shared) for name in names}
        )
        every = settings.own * len(tasks) + settings.shared
        self.shared_gate = None if last else Gate(width, every)

    def forward(
        self, streams: dict[str, Tensor], shared_BH: Tensor, tasks: Collection[str]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """streams: of all tasks at least of `tasks`, whose next ones are asked for."""
        shared = answers_of(self.shared, shared_BH)
        own = {task: answers_of(self.own[attribute(task)], streams[task]) for task in tasks}
        following = {
            task: self.gates[attribute(task)](
                streams[task], torch.stack([*own[task], *shared], dim=1)
            )
            for task in tasks
        }
        if self.shared_gate is None:
            return following, shared_BH
        every = [answer for answers in own.values() for answer in answers]
        return following, self.shared_gate(shared_BH, torch.stack([*every, *shared], dim=1))


class ProgressiveExtraction(Trunk):
    """The trunk of V levels of extraction over the pooled vector; one level is the paper's CGC.

    A task's gate reads the task's own stream and weighs its own and the shared experts; the shared
    gate, at every level but the last, reads the shared stream and weighs all experts. All streams
    start as the pooled vector. `expert` is the width D of an expert's hidden layer; what it gives
    has the encoder's width again, since that is what heads and the next level read.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,
        settings: PleConfig,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tasks
        self.pooling = pooling
        self.streams = tasks
        top = settings.levels - 1
        self.levels = nn.ModuleList(
            Extraction(tasks, width, settings, last=level == top)
            for level in range(settings.levels)
        )

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to one (B, H) vector per task of `tasks`."""
        hidden_BLH = self.encoder(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
        shared_BH = pool(hidden_BLH, mask_BL, self.pooling)
        streams = dict.fromkeys(self.streams, shared_BH)
        *lower, last = self.levels
        for level in lower:
            # Here the shared gate weighs the experts of every task, kept or not.
            streams, shared_BH = level(streams, shared_BH, self.streams)
        features: dict[str, Tensor] = last(streams, shared_BH, self.tasks)[0]
        return features

    def load(self) -> dict[str, list[float]]:
        """Per task, the mean share of each of its own experts, then of each shared one, in the last
        level over all tickets of the last training batch.
        """
        return loads_of(cast("Extraction", self.levels[-1]).gates, self.tasks)

    def last_shared(self) -> list[nn.Parameter]:
        """Those of the last level's shared experts."""
        return list(cast("Extraction", self.levels[-1]).shared.parameters())
