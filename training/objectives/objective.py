"""The narrow protocol of an objective beside the tasks: a batch's features to one weighted loss."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.dataset import Batch, Dataset
from training.model.network import Network


@dataclass(frozen=True)
class Pass:
    """One part of a step's batch, and what the network said to it.

    places_B: where these tickets stand in the step's whole batch. features: per task (B, H).
    logits: per task (B, C), as the heads gave them.
    """

    batch: Batch
    places_B: NDArray[np.int64]
    features: dict[str, Tensor]
    logits: dict[str, Tensor]


class Objective(nn.Module):
    """Everything that it learns is a parameter, and learns at the heads' rate.

    A step's batch may be cut into passes, and the passes dealt to processes. `begin` sees the whole
    batch in each process, so it decides there what is drawn and what a loss is divided by; the sum
    over all passes' losses is then the loss of the whole batch.
    """

    name: str

    def begin(self, dataset: Dataset, positions_B: NDArray[np.int64], step: int) -> None:
        """Before the passes of a step, with the positions of its whole batch; counted from 0."""

    def loss(self, network: Network, part: Pass) -> Tensor | None:
        """This pass's part of the weighted loss, a scalar; None where it has none."""
        raise NotImplementedError
