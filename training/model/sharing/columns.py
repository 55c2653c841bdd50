"""An encoder and tasks come in; its shared lower layers, and a column of its upper layers a task,
go out, for the schemes that let the tasks' layers differ.

Shapes: B batch, L length, H width, N parts of a layer's output that are mixed, k layers a column.
"""

import copy
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from training.attributes import attribute
from training.model.layers import Layers, layers_of, top_count
from training.model.sharing.trunk import Pooling, Trunk, pool


@dataclass(frozen=True)
class Stem:
    """The encoder below its last `top` layers; it owns nothing, as `Layers` does."""

    layers: Layers
    top: int

    @property
    def crown(self) -> tuple[nn.Module, ...]:
        """The encoder's own last `top` layers: the column of the first task."""
        return self.layers.each[len(self.layers.each) - self.top :]

    def below(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor | None]:
        """Token ids and mask, both (B, L), to what the columns start from, (B, L, H), and the mask
        that their layers take.
        """
        hidden_BLH = self.layers.embed(ids_BL)
        attention = self.layers.mask(mask_BL, hidden_BLH)
        below = self.layers.each[: len(self.layers.each) - self.top]
        return self.climb(below, hidden_BLH, attention), attention

    def climb(
        self, column: Iterable[nn.Module], hidden_BLH: Tensor, attention: Tensor | None
    ) -> Tensor:
        """Hidden states (B, L, H) after every layer of a column."""
        for layer in column:
            hidden_BLH = self.layers.run(layer, hidden_BLH, attention)
        return hidden_BLH

    def last(self) -> nn.Module:
        """The layer that the columns start from; the embeddings where they take every layer."""
        below = self.layers.each[: len(self.layers.each) - self.top]
        return below[-1] if below else self.layers.encoder.get_submodule("embeddings")

    def passes(self, columns: int) -> float:
        """The cost of so many columns: 1 + (columns - 1) k / all layers."""
        return 1.0 + (columns - 1) * self.top / len(self.layers.each)


def stem_of(encoder: nn.Module, top_layers: int | None, scheme: str) -> Stem:
    """The encoder cut below its last `top_layers`; None cuts above the embeddings. Raises
    ConfigError.
    """
    layers = layers_of(encoder, scheme)
    return Stem(layers, top_count(layers, top_layers))


def twins(stem: Stem, tasks: Sequence[str]) -> nn.ModuleDict:
    """A copy of the crown for each task but the first, which has the crown itself.

    Their configuration is the encoder's own object: what is switched there, such as the kind of
    attention at export, is switched in each column.
    """
    config = cast("Any", stem.layers.encoder).config
    return nn.ModuleDict(
        {
            attribute(task): nn.ModuleList(
                copy.deepcopy(layer, {id(config): config}) for layer in stem.crown
            )
            for task in tasks[1:]
        }
    )


def mix(weights_NN: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """N parts of one shape to N weighted sums of them; row n of the weights gives sum n.

    Products and sums, not a matrix product: under autocast that one would round the weights to
    8 bits, coarser than what a step moves them by.
    """
    stacked = torch.stack(list(parts))
    shape = (-1, *(1,) * parts[0].dim())
    return [(weights_N.view(shape) * stacked).sum(dim=0) for weights_N in weights_NN]


def starting_weights_TT(tasks: int, own: float) -> Tensor:
    """(T, T): `own` on the diagonal, the rest of each row shared by the other tasks; a row's sum
    is 1.
    """
    if tasks == 1:
        return torch.ones(1, 1)
    weights_TT = torch.full((tasks, tasks), (1.0 - own) / (tasks - 1))
    return weights_TT.fill_diagonal_(own)


class MixedColumns(Trunk):
    """One column of layers a task, mixed after each layer.

    Each column feeds every task, so all of them run whichever tasks are kept.
    """

    def __init__(
        self, encoder: nn.Module, tasks: tuple[str, ...], pooling: Pooling, stem: Stem
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tasks
        self.pooling = pooling
        self.columns = tasks
        self.stem = stem
        self.copies = twins(stem, tasks)

    @abstractmethod
    def mixed(self, place: int, states: list[Tensor]) -> list[Tensor]:
        """What the columns go on with, (B, L, H) each, after their layer `place`, from 0."""

    @abstractmethod
    def read(self, column: int, outputs: list[Tensor]) -> Tensor:
        """What is pooled, (B, L, H), from a column's k mixed outputs."""

    def column(self, task: str) -> tuple[nn.Module, ...]:
        """The k layers of one task."""
        if task == self.columns[0]:
            return self.stem.crown
        return tuple(cast("nn.ModuleList", self.copies[attribute(task)]))

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to one (B, H) vector per task of `tasks`."""
        outputs = self._outputs(ids_BL, mask_BL)
        features = {}
        for task in self.tasks:
            column = self.columns.index(task)
            hidden_BLH = self.read(column, [states[column] for states in outputs])
            features[task] = pool(hidden_BLH, mask_BL, self.pooling)
        return features

    def _outputs(self, ids_BL: Tensor, mask_BL: Tensor) -> list[list[Tensor]]:
        below_BLH, attention = self.stem.below(ids_BL, mask_BL)
        states = [below_BLH] * len(self.columns)
        outputs = []
        for place, row in enumerate(zip(*map(self.column, self.columns), strict=True)):
            raised = [
                self.stem.climb((layer,), state, attention)
                for layer, state in zip(row, states, strict=True)
            ]
            states = self.mixed(place, raised)
            outputs.append(states)
        return outputs

    @property
    def passes(self) -> float:
        """1 + (T - 1) k / all layers, with T all tasks of the training, kept or not."""
        return self.stem.passes(len(self.columns))

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of the encoder and of every copy of its layers."""
        every = (*self.encoder.parameters(), *self.copies.parameters())
        return [one for one in every if one.requires_grad]

    def last_shared(self) -> list[nn.Parameter]:
        """Those of every column's last layer: the last unit mixes it into each task's answer."""
        every = (one for task in self.columns for one in self.column(task)[-1].parameters())
        return [one for one in every if one.requires_grad]
