"""Tokens come in, features per task go out: the lower layers run once for all tasks, the top ones
once for each.

Shapes: B batch, L length, H width.
"""

from abc import abstractmethod

from torch import Tensor, nn

from training.config.sharing import TrunkState
from training.model.layers import layers_of, top_count
from training.model.sharing.trunk import Pooling, Trunk, pool


class BranchingTrunk(Trunk):
    """A trunk whose top k of K layers depend on the task, and so run once for each of T tasks.

    A task's pass is its own from the branch on: another task's loss neither reaches its parameters
    nor goes back through its layers. Serving cost: 1 + (T - 1) k / K passes.
    """

    once = 0
    """Of the top layers, those whose input is still the same for every task: they run once."""

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        scheme: str,
        top_layers: int | None,
        state: TrunkState = "tuned",
    ) -> None:
        """scheme: stands in messages. top_layers: k, None for all. state: frozen leaves the
        pretrained parameters as they are. Raises ConfigError.
        """
        super().__init__()
        self.encoder = encoder
        self.tasks = tasks
        self.pooling = pooling
        self.layers = layers_of(encoder, scheme)
        self.branched = top_count(self.layers, top_layers) - self.once
        if state == "frozen":
            encoder.requires_grad_(False)

    @property
    def lower(self) -> tuple[nn.Module, ...]:
        """The layers that run once, in order."""
        return self.layers.each[: len(self.layers.each) - self.branched]

    @property
    def upper(self) -> tuple[nn.Module, ...]:
        """The layers that run once for each task, in order."""
        return self.layers.each[len(self.layers.each) - self.branched :]

    @property
    def passes(self) -> float:
        """1 + (T - 1) n / K, of which n layers run once for each of T tasks."""
        return 1.0 + (len(self.tasks) - 1) * self.branched / len(self.layers.each)

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to one (B, H) vector per task."""
        hidden_BLH = self.layers.embed(ids_BL)
        attention = self.layers.mask(mask_BL, hidden_BLH)
        for layer in self.lower:
            hidden_BLH = self.layers.run(layer, hidden_BLH, attention)
        visible = self.visible(attention, mask_BL, hidden_BLH)
        branches = {task: self._branch(task, hidden_BLH, visible) for task in self.tasks}
        return {task: pool(last, mask_BL, self.pooling) for task, last in branches.items()}

    def visible(
        self,
        attention: Tensor | None,
        mask_BL: Tensor,  # noqa: ARG002 - for the schemes that add what tokens attend to
        hidden_BLH: Tensor,  # noqa: ARG002 - as above
    ) -> Tensor | None:
        """The mask of the upper layers, from that of the lower ones."""
        return attention

    def step(
        self,
        task: str,  # noqa: ARG002 - for the schemes
        depth: int,  # noqa: ARG002 - for the schemes
        layer: nn.Module,
        hidden_BLH: Tensor,
        attention: Tensor | None,
    ) -> Tensor:
        """An upper layer as the task has it, (B, L, H); depth counts `upper` from 0."""
        return self.layers.run(layer, hidden_BLH, attention)

    def enter(
        self,
        task: str,  # noqa: ARG002 - for the schemes
        hidden_BLH: Tensor,
    ) -> Tensor:
        """What the task makes of the hidden states that all share."""
        return hidden_BLH

    def _branch(self, task: str, hidden_BLH: Tensor, attention: Tensor | None) -> Tensor:
        hidden_BLH = self.enter(task, hidden_BLH)
        for depth, layer in enumerate(self.upper):
            hidden_BLH = self.step(task, depth, layer, hidden_BLH, attention)
        return hidden_BLH


class TrunkBehindLayers(BranchingTrunk):
    """A branching trunk whose tasks change only what each of the last k layers gives.

    The first of these has the same input for all, so it runs once: 1 + (T - 1) (k - 1) / K passes.
    """

    once = 1

    @abstractmethod
    def adapt(self, task: str, place: int, out_BLH: Tensor) -> Tensor:
        """What the task makes of the output of the top layer `place`, counted from 0; (B, L, H)."""

    def enter(self, task: str, hidden_BLH: Tensor) -> Tensor:
        """The task's view of the first top layer."""
        return self.adapt(task, 0, hidden_BLH)

    def step(
        self,
        task: str,
        depth: int,
        layer: nn.Module,
        hidden_BLH: Tensor,
        attention: Tensor | None,
    ) -> Tensor:
        """The layer, and what the task makes of it."""
        out_BLH = super().step(task, depth, layer, hidden_BLH, attention)
        return self.adapt(task, depth + self.once, out_BLH)
