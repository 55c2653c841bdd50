"""Sluice networks: cross-stitch units between subspaces of the layers, kept apart by an
orthogonality penalty, and a learned mixture over layers (Ruder et al. 2017, Latent multi-task
architecture learning, arXiv:1705.08142).

Shapes: B batch, L length, H width, I inner width of a layer. T tasks, S subspaces, k layers of L_e
that depend on the task, P parameters of the encoder, P_k of its last k layers.

Parameters: P + (T - 1) P_k + k (T S)^2 + T k. Serving cost: 1 + (T - 1) k / L_e passes with T all
tasks of the training: each task's answer needs every column, however few are kept.
"""

from itertools import combinations
from typing import Any, cast

import torch
from torch import Tensor, nn

from training.config.sharing import SluiceConfig
from training.errors import ConfigError
from training.model.sharing.columns import MixedColumns, mix, starting_weights_TT, stem_of
from training.model.sharing.trunk import Pooling


class Sluice(MixedColumns):
    """The trunk whose columns are cut into subspaces that are mixed after each of the top k layers.

    A subspace is H / S neighbouring dimensions of a layer's output. Where the paper starts with
    weights between all subspaces and an even mixture over layers, here a subspace starts with
    `own` of itself and the rest of its namesakes in the other columns, nothing of subspaces that
    hold other dimensions, and the last layer is all that is read: a pretrained encoder would be
    scrambled by anything else, and so the network starts as hard sharing does. All of these are
    learned. Raises ConfigError where the subspaces do not divide the width, and for an encoder
    whose layers are not known.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,
        settings: SluiceConfig,
    ) -> None:
        if width % settings.subspaces:
            raise ConfigError(
                f"model.sharing.subspaces must divide the encoder's width of {width}, "
                f"found {settings.subspaces}"
            )
        stem = stem_of(encoder, settings.top_layers, settings.scheme)
        super().__init__(encoder, tasks, pooling, stem)
        self.subspaces = settings.subspaces
        self.orthogonality = settings.orthogonality
        start_TT = starting_weights_TT(len(tasks), settings.own)
        start_NN = torch.kron(start_TT, torch.eye(settings.subspaces))
        self.mixing_KNN = nn.Parameter(torch.stack([start_NN] * stem.top))
        self.skips_TK = nn.Parameter(torch.eye(stem.top)[-1].repeat(len(tasks), 1))

    def mixed(self, place: int, states: list[Tensor]) -> list[Tensor]:
        """T hidden states (B, L, H) to as many mixtures, subspace by subspace."""
        parts = [part for state in states for part in state.chunk(self.subspaces, dim=-1)]
        sums = mix(self.mixing_KNN[place], parts)
        size = self.subspaces
        return [torch.cat(sums[at : at + size], dim=-1) for at in range(0, len(sums), size)]

    def read(self, column: int, outputs: list[Tensor]) -> Tensor:
        """The column's mixture over its layers, (B, L, H)."""
        skips_K = self.skips_TK[column]
        parts = [skip * output for skip, output in zip(skips_K, outputs, strict=True)]
        return torch.stack(parts).sum(dim=0)

    def penalty(self) -> Tensor | None:
        """orthogonality times the mean, over tasks, layers and pairs of subspaces, of the squared
        Frobenius norm of G_a G_b^T; None where the weight is 0.

        G_a is what writes subspace a, (H / S, I): rows of the layer's last linear map, as the
        authors' own code takes the recurrent weights of its layers. Deviations: a mean for their
        sum, so that the weight means the same at any depth, and rows of unit length, so that a
        pretrained layer cannot get away with smaller weights.
        """
        if not self.orthogonality:
            return None
        layers = [layer for task in self.columns for layer in self.column(task)]
        overlaps = [overlap(_writer_HI(layer), self.subspaces) for layer in layers]
        return self.orthogonality * torch.stack(overlaps).mean()


def _writer_HI(layer: nn.Module) -> Tensor:
    """The weights of the layer's last linear map: DistilBERT's `ffn.lin2`, else BERT's
    `output.dense`.
    """
    known = cast("Any", layer)
    found = known.ffn.lin2 if hasattr(layer, "ffn") else known.output.dense
    return cast("Tensor", found.weight)


def overlap(weight_HI: Tensor, subspaces: int) -> Tensor:
    """The sum of squared cosines between rows of two subspaces, a mean over pairs of subspaces.

    weight_HI: cut into `subspaces` blocks of neighbouring rows. Rows drawn at random give some
    (H / S)^2 / I.
    """
    rows_HI = nn.functional.normalize(weight_HI, dim=1)
    pairs = combinations(rows_HI.chunk(subspaces, dim=0), 2)
    return torch.stack([(one @ other.T).square().sum() for one, other in pairs]).mean()
