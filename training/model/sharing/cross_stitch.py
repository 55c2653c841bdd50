"""Cross-stitch units: a column of layers a task, and after each layer a learned mixture of what
all columns say (Misra et al. 2016, Cross-stitch networks for multi-task learning,
arXiv:1604.03539).

Shapes: B batch, L length, H width. T tasks, k layers of L_e that depend on the task, P parameters
of the encoder, P_k of its last k layers.

Parameters: P + (T - 1) P_k + k T^2. Serving cost: 1 + (T - 1) k / L_e passes with T all tasks of
the training: each task's answer needs every column, however few are kept.
"""

import torch
from torch import Tensor, nn

from training.config.sharing import CrossStitchConfig
from training.model.sharing.columns import MixedColumns, mix, starting_weights_TT, stem_of
from training.model.sharing.trunk import Pooling


class CrossStitch(MixedColumns):
    """The trunk whose columns are mixed by a (T, T) matrix after each of the top k layers.

    Row t of a matrix says what column t goes on with. Each row starts with `own` for its own column
    and sums to 1; the columns start as copies of the encoder's layers, so the network starts as
    hard sharing does. Deviations: the paper trains a network a task first, and learns a unit for
    each channel; here one unit serves a layer. The embeddings are one. Raises ConfigError for an
    encoder whose layers are not known.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,  # noqa: ARG002 - every scheme is built alike
        settings: CrossStitchConfig,
    ) -> None:
        stem = stem_of(encoder, settings.top_layers, settings.scheme)
        super().__init__(encoder, tasks, pooling, stem)
        start_TT = starting_weights_TT(len(tasks), settings.own)
        self.mixing_KTT = nn.Parameter(torch.stack([start_TT] * stem.top))

    def mixed(self, place: int, states: list[Tensor]) -> list[Tensor]:
        """T hidden states (B, L, H) to as many mixtures of them."""
        return mix(self.mixing_KTT[place], states)

    def read(self, column: int, outputs: list[Tensor]) -> Tensor:  # noqa: ARG002 - the last is the answer
        """The last mixture, (B, L, H)."""
        return outputs[-1]
