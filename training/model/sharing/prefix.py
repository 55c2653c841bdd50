"""Prefixes: each task has learned vectors that stand before the tokens at each layer (Li & Liang
2021, arXiv:2101.00190; Liu et al. 2021, P-tuning v2, arXiv:2110.07602).

Shapes: B batch, L length, H width, P prefix length.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.attributes import attribute
from training.config.sharing import PrefixConfig
from training.model.sharing.branching import BranchingTrunk
from training.model.sharing.trunk import Pooling


class PrefixTrunk(BranchingTrunk):
    """A token of the top k of K layers also attends to P vectors of its task, new ones a layer.

    Parameters: the encoder's, at rest by default, and T k P H for T tasks. Serving cost:
    1 + (T - 1) k / K passes, those of the top layers over L + P tokens in place of L. Deviations: a
    prefix is a layer's input, whose keys and values the layer's own weights make, so that it suits
    every encoder; vectors are learned directly, without the paper's second network. A prefix is
    attended to from the first step on, so the features are not those of hard sharing.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: tuple[str, ...],
        pooling: Pooling,
        width: int,  # noqa: ARG002 - the activations that they start from tell it
        settings: PrefixConfig,
    ) -> None:
        """Raises ConfigError."""
        super().__init__(encoder, tasks, pooling, "prefix", settings.top_layers, settings.trunk)
        self.length = settings.prefix
        self.prefixes = nn.ModuleDict({attribute(task): self._activations() for task in tasks})

    def visible(
        self,
        attention: Tensor | None,  # noqa: ARG002 - knows nothing of the prefix
        mask_BL: Tensor,
        hidden_BLH: Tensor,
    ) -> Tensor | None:
        """A mask over prefix and tokens."""
        mask_BM = functional.pad(mask_BL, (self.length, 0), value=1)
        return self.layers.mask(mask_BM, functional.pad(hidden_BLH, (0, 0, self.length, 0)))

    def step(
        self,
        task: str,
        depth: int,
        layer: nn.Module,
        hidden_BLH: Tensor,
        attention: Tensor | None,
    ) -> Tensor:
        """The layer over prefix and tokens, of which the tokens go on."""
        prefix_PH = self.prefixes.get_parameter(f"{attribute(task)}.{depth}")
        before_BPH = prefix_PH.expand(hidden_BLH.shape[0], -1, -1)
        longer_BMH = torch.cat([before_BPH, hidden_BLH], dim=1)
        out_BMH = super().step(task, depth, layer, longer_BMH, attention)
        return out_BMH[:, self.length :]

    @torch.no_grad()
    def _activations(self) -> nn.ParameterList:
        """What P words of the vocabulary, each alone, give each upper layer to read: the paper
        found a start from real words better than one from noise.
        """
        words: int = cast("Any", self.encoder).get_input_embeddings().num_embeddings
        # Each a text of its own: a prefix may be longer than the encoder has positions.
        hidden_P1H = self.layers.embed(torch.randint(words, (self.length, 1)))
        inputs = []
        for layer in self.layers.each:
            inputs.append(hidden_P1H[:, 0].clone())
            hidden_P1H = self.layers.run(layer, hidden_P1H, None)
        return nn.ParameterList(nn.Parameter(one) for one in inputs[-self.branched :])
