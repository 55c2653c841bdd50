"""A conditioned trunk: a task's vector scales and shifts what each layer gives (Perez et al. 2018,
FiLM, arXiv:1709.07871; behind each layer's norm as Pilault et al. 2021, CA-MTL, arXiv:2009.09139).

Shapes: B batch, L length, H width, E width of a task's vector.
"""

import torch
from torch import Tensor, nn

from training.attributes import attribute
from training.config.sharing import ConditionedConfig
from training.model.sharing.branching import TrunkBehindLayers
from training.model.sharing.trunk import Pooling


class ConditionedTrunk(TrunkBehindLayers):
    """h (1 + s_l(e_t)) + b_l(e_t) behind each of the top k of K layers, for task t.

    e_t is the task's own vector. s_l and b_l are one linear map of E to 2 H a layer, shared by the
    tasks, and start at zero: at first every task has the features of hard sharing. Parameters: the
    encoder's and T E + 2 k H (E + 1) for T tasks. Serving cost: 1 + (T - 1) (k - 1) / K passes.
    Deviation: of CA-MTL only the conditional norm; its attention and alignment are not here.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,
        settings: ConditionedConfig,
    ) -> None:
        """Raises ConfigError."""
        super().__init__(
            encoder, tasks, pooling, "conditioned", settings.top_layers, settings.trunk
        )
        size = settings.embedding
        self.vectors = nn.ParameterDict({attribute(task): _vector(size) for task in tasks})
        self.readers = nn.ModuleList(
            _reader(size, 2 * width) for _ in range(self.branched + self.once)
        )

    def adapt(self, task: str, place: int, out_BLH: Tensor) -> Tensor:
        """A layer's output, scaled and shifted."""
        vector_E = self.vectors.get_parameter(attribute(task))
        both_2H: Tensor = self.readers[place](vector_E).reshape(2, -1)
        return out_BLH * (1.0 + both_2H[0]) + both_2H[1]

    def last_shared(self) -> list[nn.Parameter]:
        """The encoder's last layer or, where it rests, what the last layer's scales are read by."""
        return super().last_shared() or list(self.readers[-1].parameters())


def _vector(size: int) -> nn.Parameter:
    # Of length one or so whatever its width, or the first steps would move every scale by much.
    return nn.Parameter(torch.randn(size) * size**-0.5)


def _reader(size: int, outputs: int) -> nn.Linear:
    reader = nn.Linear(size, outputs)
    nn.init.zeros_(reader.weight)
    nn.init.zeros_(reader.bias)
    return reader
