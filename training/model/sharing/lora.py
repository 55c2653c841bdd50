"""Low-rank adapters: each task has its own update of the attention (Hu et al. 2021, LoRA,
arXiv:2106.09685).

Shapes: B batch, L length, H width, R rank.
"""

from typing import Any, cast

from peft.tuners.lora import Linear, LoraConfig
from torch import Tensor, nn

from training.attributes import attribute
from training.config.sharing import LoraConfig as Settings
from training.model.sharing.branching import BranchingTrunk
from training.model.sharing.trunk import Pooling

TARGETS = ("query", "value", "q_lin", "v_lin")
"""The products that are adapted, the paper's choice, by their names in BERT and in DistilBERT."""


class LoraAdapters(BranchingTrunk):
    """W x + (alpha / R) B_t A_t x, query and value of each of the top k of K layers, for task t.

    B starts at zero: at first every task has the features of hard sharing. Parameters: the
    encoder's and 4 T k R H for T tasks. Serving cost: 1 + (T - 1) k / K passes; the
    thin products stay apart and add a share of R / (3 H) to a layer's. The encoder called by itself
    answers without any update. Deviation: none in the formula; of peft it is the layers, but a pass
    says whose update it wants, because peft's own switch would be lost where activations are
    computed again, and stops the other tasks' adapters from learning.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,  # noqa: ARG002 - the products know their own
        settings: Settings,
    ) -> None:
        """Replaces the encoder's products in place. Raises ConfigError."""
        super().__init__(encoder, tasks, pooling, "lora", settings.top_layers, settings.trunk)
        for layer in self.upper:
            _adapt(layer, tasks, settings)

    def step(
        self,
        task: str,
        depth: int,  # noqa: ARG002 - each layer holds its own adapters
        layer: nn.Module,
        hidden_BLH: Tensor,
        attention: Tensor | None,
    ) -> Tensor:
        """The layer with the task's update."""
        return cast("Tensor", layer(hidden_BLH, attention, task=task))

    def encoder_parameters(self) -> list[nn.Parameter]:
        """The pretrained parameters that are to be tuned: not the adapters inside the encoder."""
        products = [part for part in self.encoder.modules() if isinstance(part, TaskLora)]
        added = {id(one) for product in products for one in product.added()}
        return [one for one in super().encoder_parameters() if id(one) not in added]

    def last_shared(self) -> list[nn.Parameter]:
        """The pretrained part of the last layer; nothing where it rests."""
        tuned = {id(one) for one in self.encoder_parameters()}
        return [one for one in super().last_shared() if id(one) in tuned]


class TaskLora(Linear):  # type: ignore[misc]  # peft ships no types
    """peft's adapted product with an adapter a task, of which the one that is `chosen` applies."""

    def __init__(self, product: nn.Linear, tasks: tuple[str, ...], settings: Settings) -> None:
        """product: stays inside, as it is."""
        config = LoraConfig(lora_dropout=settings.dropout)
        names = [attribute(task) for task in tasks]
        size: dict[str, Any] = {"r": settings.rank, "lora_alpha": settings.alpha, "config": config}
        super().__init__(product, names[0], **size)
        for name in names[1:]:
            self.update_layer(name, **size)
        self.set_adapter(names)  # peft lets one adapter learn unless it is told of all.
        self.chosen: str | None = None

    def added(self) -> list[nn.Parameter]:
        """The adapters' parameters, all tasks together."""
        return [*self.lora_A.parameters(), *self.lora_B.parameters()]

    def forward(self, rows: Tensor) -> Tensor:
        """(B, L, in) to (B, L, out)."""
        plain = cast("Tensor", self.base_layer(rows))
        if self.chosen is None:
            return plain
        name = attribute(self.chosen)
        low = self.lora_A[name](self.lora_dropout[name](rows))
        adapted: Tensor = plain + self.lora_B[name](low) * self.scaling[name]
        return adapted


def _adapt(layer: nn.Module, tasks: tuple[str, ...], settings: Settings) -> None:
    for name, part in list(layer.named_modules()):
        if name.rpartition(".")[2] in TARGETS:
            layer.set_submodule(name, TaskLora(cast("nn.Linear", part), tasks, settings))
    # Inside of what checkpointing runs again, so that the second time chooses as the first did.
    layer.get_submodule("attention").register_forward_pre_hook(_choose, with_kwargs=True)


def _choose(
    attention: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Takes the task out of what the layer was called with, and tells the products inside."""
    for part in attention.modules():
        if isinstance(part, TaskLora):
            part.chosen = kwargs.get("task")
    return args, {name: value for name, value in kwargs.items() if name != "task"}
