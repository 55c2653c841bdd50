"""Encoders come in; while they are traced, their attention is one node a layer, of the kind asked
for.

Shapes: B batch, L padded length, T tokens of all tickets, N heads, D width of a head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from onnx import ModelProto
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from export.errors import GraphError

EAGER, FUSED, PACKED = "eager", "harbor_fused", "harbor_packed"
"""Products and a softmax; one node over a padded batch; one over tickets without padding."""

FUSED_NODE, PACKED_NODE = "MultiHeadAttention", "PackedMultiHeadAttention"
DOMAIN = "com.microsoft"
"""Whose operators they are: onnxruntime's own."""

_UNKNOWN = ("position_bias", "sliding_window", "softcap")
"""What an encoder may add to plain attention, and these nodes do not know."""


@contextmanager
def traced_as(network: nn.Module, kind: str) -> Iterator[None]:
    """Has every encoder's attention traced as `kind`, one of the above.

    EAGER has a third fewer nodes and is 2 to 4 % faster on a CPU than torch's own operator, which
    is traced with a guard for tickets without a token, which no ticket is: the tokenizer's own are
    always there. Raises GraphError where an encoder does not let its attention be replaced.
    """
    encoders = [part for part in network.modules() if isinstance(part, PreTrainedModel)]
    # There is no public way to ask.
    before = [part.config._attn_implementation for part in encoders]  # noqa: SLF001
    try:
        for part in encoders:
            _set(part, kind)
        yield
    finally:
        for part, implementation in zip(encoders, before, strict=True):
            part.set_attn_implementation(implementation)


def layers(network: nn.Module) -> int:
    """How many layers of attention the encoders have together."""
    encoders = (part for part in network.modules() if isinstance(part, PreTrainedModel))
    return sum(int(part.config.num_hidden_layers) for part in encoders)


def count(model: ModelProto, node: str) -> int:
    """How many nodes of this kind a graph has."""
    return sum(one.op_type == node and one.domain == DOMAIN for one in model.graph.node)


def check_nodes(model: ModelProto, node: str, wanted: int) -> None:
    """Raises GraphError unless at least every layer's attention is one node of this kind."""
    found = count(model, node)
    if found < wanted:
        raise GraphError(f"the graph has {found} {node} nodes, its encoder {wanted} layers")


def _set(encoder: PreTrainedModel, kind: str) -> None:
    try:
        encoder.set_attn_implementation(kind)
    except ValueError as error:
        kept = encoder.config.model_type
        raise GraphError(f"the attention of an encoder of type {kept} is its own") from error


def _fused(
    _layer: nn.Module,
    query_BNLD: Tensor,
    key_BNLD: Tensor,
    value_BNLD: Tensor,
    mask: Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """As transformers calls it; the answer is (B, L, N, D)."""
    batch, heads, length, size = query_BNLD.shape
    _check(others)
    shape = [batch, length, heads * size]
    parts = (part.transpose(1, 2).reshape(shape) for part in (query_BNLD, key_BNLD, value_BNLD))
    found_BLH = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{FUSED_NODE}",
        [*parts, None, mask],
        {"num_heads": heads, "scale": scaling or size**-0.5},
        dtype=query_BNLD.dtype,
        shape=shape,
        version=1,
    )
    return found_BLH.reshape(batch, length, heads, size), None


def _packed(
    _layer: nn.Module,
    query_1NTD: Tensor,
    key_1NTD: Tensor,
    value_1NTD: Tensor,
    _mask: Tensor | None,
    scaling: float | None = None,
    *,
    token_offset: Tensor,
    cu_seqlens: Tensor,
    **others: Any,
) -> tuple[Tensor, None]:
    """As transformers calls it, the offsets as the encoder was given them; (1, T, N, D)."""
    heads, tokens, size = query_1NTD.shape[1:]
    _check(others)
    shape = [tokens, heads * size]
    parts = (part.transpose(1, 2).reshape(shape) for part in (query_1NTD, key_1NTD, value_1NTD))
    found_TH = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{PACKED_NODE}",
        [*parts, None, token_offset, cu_seqlens],
        {"num_heads": heads, "scale": scaling or size**-0.5},
        dtype=query_1NTD.dtype,
        shape=shape,
        version=1,
    )
    return found_TH.reshape(1, tokens, heads, size), None


def _check(others: dict[str, Any]) -> None:
    for name in _UNKNOWN:
        if others.get(name) is not None:
            raise GraphError(f"attention with a {name} has no node of its own")


def _ends(*, attention_mask: Tensor | None, **_: Any) -> Tensor:
    """A mask (B, L) as (3B + 2,) int32: lengths, then where each row of queries starts, and where
    each of keys does, both with the end. Padding is on the right.

    The only form of a mask for which CUDA has a fused kernel on every device.
    """
    if attention_mask is None:
        raise GraphError("the encoder asks for no mask")
    batch, length = attention_mask.shape
    lengths_B = attention_mask.sum(dim=1, dtype=torch.int32)
    starts = torch.arange(batch + 1, dtype=torch.int32) * length
    return torch.cat((lengths_B, starts.to(torch.int32), starts.to(torch.int32)))


AttentionInterface.register(FUSED, _fused)
AttentionInterface.register(PACKED, _packed)
AttentionMaskInterface.register(FUSED, _ends)
