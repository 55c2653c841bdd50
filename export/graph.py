"""A network, its tasks and their calibration come in; the bytes of one ONNX graph go out.

Shapes: B batch, L padded length, C a task's classes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from export.attention import EAGER
from export.errors import GraphError
from export.initialisers import set_spread
from export.tracing import trace
from service.contract.bundle import Calibration
from service.contract.tasks import Task
from service.contract.ticket import TEXT_TEMPLATE_VERSION
from service.engine.session import IDS, MASK, SCOPE
from training.model.network import Network

GRAPH_SCHEMA = 1
INPUTS = (IDS, MASK)


class _Described(Protocol):
    """Any part of a graph that carries notes of its origin."""

    def ClearField(self, field_name: str) -> None: ...


class _InTaskOrder(nn.Module):
    """The network, its logits a tuple in the order of the tasks: a dict's order is no contract.

    Behind them the scope score, where there is one.
    """

    def __init__(self, network: Network, names: Sequence[str], scope: nn.Module | None) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(names)
        self.scope = scope

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, ...]:
        features = self.network.trunk(ids_BL, mask_BL)
        logits = self.network.answer(features)
        outputs = tuple(logits[name] for name in self.names)
        return outputs if self.scope is None else (*outputs, self.scope(features))


def build_graph(
    network: Network,
    tasks: Sequence[Task],
    calibration: Mapping[str, Calibration],
    token_limit: int,
    scope: nn.Module | None = None,
) -> bytes:
    """One ONNX file with all heads and calibration in the graph; equal networks give equal bytes.

    network, scope: on the CPU; they are put into evaluation mode. scope: the trunk's features by
    task to scores (B,). The graph takes `input_ids` and `attention_mask`, int64 (B, L), and gives
    for each task, float32 (B, C), `<task>_logits` (raw) and `<task>_probabilities`, which are
    softmax(logits * `<task>_scale` + `<task>_bias`), where the calibration has a spread times
    `<task>_kept` plus `<task>_spread`; with `scope` also `scope_score`, float32 (B,). Raises
    GraphError.
    """
    return finished(
        trace_padded(network, tasks, token_limit, scope, EAGER), tasks, calibration, token_limit
    )


def trace_padded(
    network: Network,
    tasks: Sequence[Task],
    token_limit: int,
    scope: nn.Module | None,
    attention: str,
) -> ModelProto:
    """The graph of a padded batch up to the logits, as torch gave it. attention: see
    `export.attention`. Raises GraphError.
    """
    # A batch of 1 would be taken for a constant.
    ids_BL = torch.ones((2, 8), dtype=torch.int64)
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=token_limit)}
    module = _InTaskOrder(network, [task.name for task in tasks], scope)
    examples = (ids_BL, torch.ones_like(ids_BL))
    names = output_names(tasks, scope)
    return trace(module, examples, (shape, shape), INPUTS, names, attention)


def output_names(tasks: Sequence[Task], scope: nn.Module | None) -> list[str]:
    """What a traced graph gives, in that order."""
    names = [f"{task.name}_logits" for task in tasks]
    return names if scope is None else [*names, SCOPE]


def finished(
    model: ModelProto,
    tasks: Sequence[Task],
    calibration: Mapping[str, Calibration],
    token_limit: int,
) -> bytes:
    """The file of a traced graph, which is changed: with calibration and metadata, without traces
    of where it was made. Raises GraphError.
    """
    _check_sizes(tasks, calibration)
    _turn_shared_weights(model)
    _strip(model)
    for task in tasks:
        _insert_calibration(model, task, calibration[task.name])
    helper.set_model_props(model, describe(tasks, token_limit))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise GraphError(f"the exported graph is not valid ONNX: {error}") from error
    return bytes(model.SerializeToString(deterministic=True))


def describe(tasks: Sequence[Task], token_limit: int) -> dict[str, str]:
    """The graph's metadata: what goes in and comes out, so that no other manifest can claim it."""
    labels = [{"name": task.name, "labels": list(task.labels)} for task in tasks]
    return {
        "harbor.schema": str(GRAPH_SCHEMA),
        "harbor.tasks": json.dumps(labels, ensure_ascii=False),
        "harbor.text_template": str(TEXT_TEMPLATE_VERSION),
        "harbor.token_limit": str(token_limit),
    }


def read_calibration(model: ModelProto, name: str) -> tuple[list[float], list[float]]:
    """A task's scale and bias as they stand in the graph, each C values. Raises GraphError."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    try:
        scale, bias = stored[f"{name}_scale"], stored[f"{name}_bias"]
    except KeyError as error:
        raise GraphError(f"the graph has no initialiser {error.args[0]}") from None
    return numpy_helper.to_array(scale).tolist(), numpy_helper.to_array(bias).tolist()


def _check_sizes(tasks: Sequence[Task], calibration: Mapping[str, Calibration]) -> None:
    for task in tasks:
        found = len(calibration[task.name].scale)
        if found != task.classes:
            raise GraphError(
                f"task {task.name} has {task.classes} labels, its calibration {found} values"
            )


def _turn_shared_weights(model: ModelProto) -> None:
    """Stores a weight as its products read it, where several passes read one weight.

    The exporter turns only weights that are read once, and would leave the others to each session.
    """
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    turns = {
        place: node
        for place, node in enumerate(graph.node)
        if node.op_type == "Transpose" and node.input[0] in stored
    }
    turned = [_turned(stored[node.input[0]], node) for node in turns.values()]
    read = {node.input[0] for node in turns.values()}
    for place in reversed(turns):
        del graph.node[place]
    gone = read - {name for node in graph.node for name in node.input}
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name in gone:
            del graph.initializer[place]
    graph.initializer.extend(turned)


def _turned(weight: TensorProto, turn: NodeProto) -> TensorProto:
    """Under the name of what the node gives."""
    turned = numpy_helper.to_array(weight).transpose(turn.attribute[0].ints)
    return numpy_helper.from_array(np.ascontiguousarray(turned), turn.output[0])


def _strip(model: ModelProto) -> None:
    """Drops stack traces, source paths and the types of inner values; none changes an answer."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        described = cast("_Described", part)
        described.ClearField("doc_string")
        described.ClearField("metadata_props")
    graph.ClearField("value_info")
    model.ClearField("doc_string")
    model.ClearField("metadata_props")


def _insert_calibration(model: ModelProto, task: Task, calibration: Calibration) -> None:
    """Adds softmax(logits * scale + bias), and its spread where there is one.

    After export, because its optimiser merges equal initialisers: two tasks would share a scale.
    """
    graph, name = model.graph, task.name
    for kind, values in (("scale", calibration.scale), ("bias", calibration.bias)):
        array_C = np.asarray(values, dtype=np.float32)
        graph.initializer.append(numpy_helper.from_array(array_C, f"{name}_{kind}"))
    logits, scaled, shifted = f"{name}_logits", f"{name}_scaled", f"{name}_calibrated"
    probabilities = f"{name}_probabilities"
    graph.node.extend(
        [
            helper.make_node("Mul", [logits, f"{name}_scale"], [scaled], scaled),
            helper.make_node("Add", [scaled, f"{name}_bias"], [shifted], shifted),
            helper.make_node("Softmax", [shifted], [probabilities], probabilities, axis=-1),
        ]
    )
    shape: list[str | int | None] = ["batch", task.classes]
    graph.output.append(helper.make_tensor_value_info(probabilities, TensorProto.FLOAT, shape))
    set_spread(graph, name, calibration)
