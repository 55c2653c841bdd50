"""A network, its tasks and their calibration come in; the bytes of a graph without padding go out.

Shapes: T tokens of all tickets, B tickets, L the longest ticket's tokens.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from export.attention import EAGER, PACKED, PACKED_NODE, check_nodes, layers
from export.graph import finished, output_names
from export.half import halved
from export.ragged.network import SideBySide, hard_sharing
from export.tracing import trace
from service.contract.bundle import Calibration
from service.contract.tasks import Task
from service.engine.session import OFFSETS, RAGGED
from training.model.network import Network


def build_ragged_graph(
    network: Network,
    tasks: Sequence[Task],
    calibration: Mapping[str, Calibration],
    token_limit: int,
    scope: nn.Module | None = None,
) -> bytes:
    """One ONNX file of plain operators that answers tickets side by side as the padded graph does.

    It takes `input_ids` and `position_ids`, int64 (T,), and `cu_seqlens`, int32 (B + 1,); what it
    gives is what `export.graph.build_graph` says. Attention is masked to blocks on the diagonal,
    which costs T x T. Raises GraphError.
    """
    module = SideBySide(network, tasks, scope)
    tokens, bounds = {0: torch.export.Dim("tokens")}, {0: torch.export.Dim("bounds")}
    names = output_names(tasks, scope)
    model = trace(module, _example()[:3], (tokens, tokens, bounds), RAGGED, names, EAGER)
    return finished(model, tasks, calibration, token_limit)


def build_packed_graph(
    network: Network,
    tasks: Sequence[Task],
    calibration: Mapping[str, Calibration],
    token_limit: int,
    scope: nn.Module | None = None,
) -> bytes:
    """As `build_ragged_graph`, the encoder in float16, its attention one packed node a layer, which
    only CUDA has.

    It takes `token_offset`, int32 (B, L), besides: the places of the real tokens in a padded batch,
    in order, then those of the padding. Raises GraphError.
    """
    hard_sharing(network)
    made = halved(network)
    module = SideBySide(made, tasks, scope)
    tokens, bounds = {0: torch.export.Dim("tokens")}, {0: torch.export.Dim("bounds")}
    padded = {0: torch.export.Dim("batch"), 1: torch.export.Dim("longest")}
    names, inputs = output_names(tasks, scope), (*RAGGED, OFFSETS)
    shapes = (tokens, tokens, bounds, padded)
    model = trace(module, _example(), shapes, inputs, names, PACKED)
    check_nodes(model, PACKED_NODE, layers(made))
    return finished(model, tasks, calibration, token_limit)


def _example() -> tuple[torch.Tensor, ...]:
    """Three tickets of 2, 3 and 4 tokens."""
    positions_T = torch.tensor([0, 1, 0, 1, 2, 0, 1, 2, 3])
    bounds = torch.tensor([0, 2, 5, 9], dtype=torch.int32)
    offsets_BL = torch.tensor([0, 1, 4, 5, 6, 8, 9, 10, 11, 2, 3, 7], dtype=torch.int32)
    return torch.ones(9, dtype=torch.int64), positions_T, bounds, offsets_BL.reshape(3, 4)
