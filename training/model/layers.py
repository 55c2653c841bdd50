"""A transformers encoder comes in; its embeddings, its layers one by one and its last norm go out,
so that a sharing scheme can step between them.

Shapes: B batch, L length, H width.
"""

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from transformers.masking_utils import create_bidirectional_mask

from training.errors import ConfigError

_STACKED = ("bert", "roberta", "xlm-roberta", "camembert")
SUPPORTED = (*_STACKED, "distilbert")


@dataclass(frozen=True)
class Layers:
    """One encoder, taken apart; it owns nothing: the modules stay where they are.

    Running `embed`, then every layer of `each` through `run`, gives the `last_hidden_state` that
    the encoder itself gives.
    """

    encoder: nn.Module
    each: tuple[nn.Module, ...]

    def embed(self, ids_BL: Tensor) -> Tensor:
        """Token ids (B, L) to the first hidden states (B, L, H)."""
        return cast("Tensor", self._part("embeddings")(input_ids=ids_BL))

    def mask(self, mask_BL: Tensor, hidden_BLH: Tensor) -> Tensor | None:
        """What `run` takes for a mask (B, L) of real tokens; hidden_BLH tells type and device."""
        found: Tensor | None = create_bidirectional_mask(
            config=cast("Any", self.encoder).config,
            inputs_embeds=hidden_BLH,
            attention_mask=mask_BL,
        )
        return found

    def run(self, layer: nn.Module, hidden_BLH: Tensor, attention: Tensor | None) -> Tensor:
        """One layer's hidden states (B, L, H)."""
        return cast("Tensor", layer(hidden_BLH, attention))

    def _part(self, name: str) -> nn.Module:
        return cast("nn.Module", getattr(self.encoder, name))


def layers_of(encoder: nn.Module, scheme: str) -> Layers:
    """The encoder taken apart. scheme: stands in the message. Raises ConfigError for a type whose
    layers are not known.
    """
    kind = str(cast("Any", encoder).config.model_type)
    if kind not in SUPPORTED:
        raise ConfigError(
            f"model.sharing {scheme} needs an encoder of type {', '.join(SUPPORTED)}, found {kind}"
        )
    stack = cast("Any", encoder).encoder if kind in _STACKED else cast("Any", encoder).transformer
    return Layers(encoder, tuple(stack.layer))


def top_count(layers: Layers, top_layers: int | None) -> int:
    """How many of the last layers depend on the task. Raises ConfigError."""
    known = len(layers.each)
    if top_layers is None:
        return known
    if top_layers > known:
        raise ConfigError(
            f"model.sharing.top_layers must be at most {known}, the encoder's layers, "
            f"found {top_layers}"
        )
    return top_layers
