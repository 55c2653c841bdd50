"""Multi-gate mixture of experts: experts read the pooled vector, and each task weighs them through
a gate of its own (Ma et al. 2018, Modeling task relationships in multi-task learning with
multi-gate mixture-of-experts, KDD, doi:10.1145/3219819.3220007).

Shapes: B batch, L length, H width, D width within an expert, E experts. T tasks, P parameters of
the encoder.

Parameters: P + E (2 H D + D + H) + T H E. Serving cost: one pass for all tasks, and the experts,
which read one vector a ticket.
"""

import torch
from torch import Tensor, nn

from training.attributes import attribute
from training.config.sharing import MmoeConfig
from training.model.sharing.experts import Gate, answers_of, experts, loads_of
from training.model.sharing.trunk import Pooling, Trunk, pool


class MixtureOfExperts(Trunk):
    """The trunk that gives task t the sum over experts i of g_t(x)_i f_i(x), with g_t = softmax(W_t
    x) and x the pooled vector.

    `expert` is the width D of an expert's hidden layer; what it gives has the encoder's width
    again, since that is what heads read.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,
        settings: MmoeConfig,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tasks
        self.pooling = pooling
        self.experts = experts(settings.experts, width, settings.expert or width)
        self.gates = nn.ModuleDict(
            {attribute(task): Gate(width, settings.experts) for task in tasks}
        )

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to one (B, H) vector per task of `tasks`."""
        hidden_BLH = self.encoder(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
        pooled_BH = pool(hidden_BLH, mask_BL, self.pooling)
        answers_BEH = torch.stack(answers_of(self.experts, pooled_BH), dim=1)
        return {task: self.gates[attribute(task)](pooled_BH, answers_BEH) for task in self.tasks}

    def load(self) -> dict[str, list[float]]:
        """Per task, the mean share of each expert over all tickets of the last training batch."""
        return loads_of(self.gates, self.tasks)

    def last_shared(self) -> list[nn.Parameter]:
        """Those of the experts."""
        return list(self.experts.parameters())
