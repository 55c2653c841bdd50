"""Bottleneck adapters: each task has its own small network behind each layer (Houlsby et al. 2019,
arXiv:1902.00751; one a layer, behind it, as Bapna & Firat 2019, arXiv:1909.08478).

Shapes: B batch, L length, H width, A adapter width.
"""

from torch import Tensor, nn

from training.attributes import attribute
from training.config.sharing import BottleneckConfig
from training.model.sharing.branching import TrunkBehindLayers
from training.model.sharing.trunk import Pooling


class BottleneckAdapters(TrunkBehindLayers):
    """h + U_t gelu(D_t h) behind each of the top k of K layers, for task t.

    U starts at zero: at first every task has the features of hard sharing. Parameters: the
    encoder's and T k (2 A H + A + H) for T tasks. Serving cost: 1 + (T - 1) (k - 1) / K passes, and
    T k adapters of A / (6 H) of a layer's work. Deviations: GELU, and no norm of the adapter's own,
    since a layer of these encoders ends in one.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,
        settings: BottleneckConfig,
    ) -> None:
        """Raises ConfigError."""
        super().__init__(encoder, tasks, pooling, "bottleneck", settings.top_layers, settings.trunk)
        depths = range(self.branched + self.once)
        self.adapters = nn.ModuleDict(
            {
                attribute(task): nn.ModuleList(_adapter(width, settings.adapter) for _ in depths)
                for task in tasks
            }
        )

    def adapt(self, task: str, place: int, out_BLH: Tensor) -> Tensor:
        """The task's adapter behind a layer."""
        update_BLH: Tensor = self.adapters.get_submodule(f"{attribute(task)}.{place}")(out_BLH)
        return out_BLH + update_BLH


def _adapter(width: int, inner: int) -> nn.Module:
    last = nn.Linear(inner, width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), last)
