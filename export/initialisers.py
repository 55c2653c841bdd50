"""A graph and a calibration come in; the same graph with that scale, bias and spread goes out."""

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from export.errors import GraphError
from service.contract.bundle import Calibration


def with_calibration(graph: bytes, calibration: Mapping[str, Calibration]) -> bytes:
    """The graph with `<task>_scale` and `<task>_bias` of these tasks replaced, and their spread put
    in, replaced or taken out; nothing else changes.

    Equal graphs and calibrations give equal bytes, whatever was in between. Raises GraphError where
    an initialiser is missing or has another number of values, and where probabilities that are to
    be spread are no softmax.
    """
    model = ModelProto.FromString(graph)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for task, one in calibration.items():
        for kind, values in (("scale", one.scale), ("bias", one.bias)):
            name = f"{task}_{kind}"
            if name not in stored:
                raise GraphError(f"the graph has no initialiser {name}")
            if list(stored[name].dims) != [len(values)]:
                found = list(stored[name].dims)
                raise GraphError(f"{name} has the shape {found}, the calibration {len(values)}")
            array_C = np.asarray(values, dtype=np.float32)
            stored[name].CopyFrom(numpy_helper.from_array(array_C, name))
    for task, one in calibration.items():
        set_spread(model.graph, task, one)
    return bytes(model.SerializeToString(deterministic=True))


def spread_values(calibration: Calibration) -> tuple[float, float]:
    """What a graph multiplies the softmax with and what it adds to it, as float32 has them."""
    kept, even = 1.0 - calibration.spread, calibration.spread / len(calibration.scale)
    return float(np.float32(kept)), float(np.float32(even))


def read_spread(model: ModelProto, task: str) -> tuple[float, float]:
    """What a task's softmax is multiplied with, and what is added to it, as they stand in the
    graph: 1 and 0 where it has no spread. `spread_values` says what they must be.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    if f"{task}_spread" not in stored:
        return 1.0, 0.0
    kept, spread = (numpy_helper.to_array(stored[f"{task}_{kind}"]) for kind in ("kept", "spread"))
    return float(kept), float(spread)


def set_spread(graph: GraphProto, task: str, calibration: Calibration) -> None:
    """Has a task's probabilities be softmax * `<task>_kept` + `<task>_spread`, or the softmax alone
    where there is no spread, whichever they were. Both initialisers have no axis.

    Raises GraphError where the probabilities are no softmax.
    """
    _take_out(graph, task)
    if calibration.spread > 0.0:
        _put_in(graph, task, spread_values(calibration))


def _take_out(graph: GraphProto, task: str) -> None:
    nodes, tensors = {_even(task), _less(task)}, {f"{task}_kept", f"{task}_spread"}
    for place in _reversed([node.name in nodes for node in graph.node]):
        del graph.node[place]
    for place in _reversed([tensor.name in tensors for tensor in graph.initializer]):
        del graph.initializer[place]
    for node in graph.node:
        if list(node.output) == [_certain(task)]:
            node.output[0] = f"{task}_probabilities"


def _put_in(graph: GraphProto, task: str, values: tuple[float, float]) -> None:
    """Nodes stand behind what they read, and initialisers behind the bias, as in a new graph."""
    probabilities, certain, less = f"{task}_probabilities", _certain(task), _less(task)
    at = [place for place, node in enumerate(graph.node) if list(node.output) == [probabilities]]
    if not at or graph.node[at[0]].op_type != "Softmax":
        raise GraphError(f"{probabilities} must be a softmax to be spread")
    graph.node[at[0]].output[0] = certain
    kept, spread = f"{task}_kept", f"{task}_spread"
    graph.node.insert(at[0] + 1, helper.make_node("Mul", [certain, kept], [less], less))
    added = helper.make_node("Add", [less, spread], [probabilities], _even(task))
    graph.node.insert(at[0] + 2, added)
    names = [tensor.name for tensor in graph.initializer]
    behind = names.index(f"{task}_bias") + 1
    for place, (name, value) in enumerate(zip((kept, spread), values, strict=True)):
        graph.initializer.insert(behind + place, _scalar(name, value))


def _reversed(chosen: list[bool]) -> list[int]:
    """The places of what is chosen, the last first: what is deleted moves none that is to come."""
    return [place for place in reversed(range(len(chosen))) if chosen[place]]


def _scalar(name: str, value: float) -> TensorProto:
    return numpy_helper.from_array(np.array(value, dtype=np.float32), name)


def _certain(task: str) -> str:
    return f"{task}_certain"


def _less(task: str) -> str:
    return f"{task}_lessened"


def _even(task: str) -> str:
    return f"{task}_evened"
