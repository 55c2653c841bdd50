"""A network comes in; the bytes of its graph with the encoder in half precision go out."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.onnx import OnnxExporterError
from transformers import PreTrainedModel

from export.attention import FUSED, FUSED_NODE, check_nodes, layers
from export.errors import GraphError
from export.graph import finished, trace_padded
from service.contract.bundle import Calibration
from service.contract.tasks import Task
from training.model.network import Network
from training.model.sharing.hard import HardSharing
from training.model.sharing.mmoe import MixtureOfExperts
from training.model.sharing.ple import ProgressiveExtraction


def build_half_graph(
    network: Network,
    tasks: Sequence[Task],
    calibration: Mapping[str, Calibration],
    token_limit: int,
    scope: nn.Module | None = None,
) -> bytes:
    """As `export.graph.build_graph`, the encoder in float16, its attention one node a layer.

    Pooling, heads, softmax and scope score stay in float32, and so do all outputs. Raises
    GraphError, also where not every layer's attention became one node.
    """
    made = halved(network)
    try:
        model = trace_padded(made, tasks, token_limit, scope, FUSED)
    except OnnxExporterError as error:
        scheme = type(network.trunk).__name__
        raise GraphError(f"{scheme} does not compute in half precision: {_cause(error)}") from error
    check_nodes(model, FUSED_NODE, layers(made))
    return finished(model, tasks, calibration, token_limit)


def halved(network: Network) -> Network:
    """A copy of the network whose encoders compute in float16; features stay in float32."""
    made = copy.deepcopy(network)
    encoders = [part for part in made.modules() if isinstance(part, PreTrainedModel)]
    for part in encoders:
        part.half()
        part.register_forward_hook(_widened)
    if not isinstance(made.trunk, _ASK_WHOLE):
        # What such a scheme puts between the layers computes as they do.
        made.trunk.half()
    made.trunk.register_forward_hook(_features)
    return made


_ASK_WHOLE = (HardSharing, MixtureOfExperts, ProgressiveExtraction)
"""Schemes that read what a whole encoder says; all others run its layers one by one."""


def _widened(_: nn.Module, __: object, answer: Any) -> Any:
    """What an encoder says, (B, L, H), in float32, so that pooling adds in it."""
    answer.last_hidden_state = answer.last_hidden_state.float()
    return answer


def _features(_: nn.Module, __: object, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a scheme that runs the layers itself. Tasks that share a tensor go on sharing one: the
    scope score counts it once.
    """
    wide = {id(part): part.float() for part in features.values()}
    return {task: wide[id(part)] for task, part in features.items()}


def _cause(error: BaseException) -> str:
    """The first line of what went wrong at the bottom."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]
