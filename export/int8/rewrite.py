"""A graph and the roundings of its layers' inputs come in; the graph whose layers multiply whole
numbers goes out.

Shapes: K inputs and N outputs of a layer.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.int8.layers import Layer, find_layers
from export.int8.ranges import Input, Rounding

FloatArray = NDArray[np.floating]
ByteArray = NDArray[np.int8]

DOMAIN = "com.microsoft"
"""Of the one operator that is not ONNX's own: onnxruntime's product of whole numbers with its
scales and bias in one pass. Put together from ONNX's own it takes three passes more."""

MOST = 63
"""Of a weight: seven bits. With eight, processors without VNNI add two products into sixteen bits
and cut off what does not fit, so that answers would differ from one processor to the next."""

_OF_TOKEN = 127
"""Steps from 0 to the largest value of a token that has a step of its own."""

_SHARES = np.linspace(0.6, 1.0, 41)
"""Of a column's largest weight, tried as its end."""


def quantized(model: ModelProto, inputs: Mapping[str, Input]) -> ModelProto:
    """The graph with every layer of the encoder in whole numbers; all else stays float32.

    Inputs are unsigned bytes. Those of attention's layers, which are square, have one step that was
    measured beforehand. Those of the two feed-forward layers have one a token, because a few tokens
    have values of ten times the others' there: one step for all cost a point of labels, steps of
    their own everywhere cost 4 % of speed. Either way an answer does not depend on the company.

    Weights are signed with one step an output. Each bias takes back what rounding does to its
    output's mean (Nagel et al. 2019, arXiv:1906.04721, there without data). Raises GraphError where
    no layer is found.
    """
    made = ModelProto()
    made.CopyFrom(model)
    layers = find_layers(made)
    own = {layer.source for layer in layers if layer.weight.dims[0] != layer.weight.dims[1]}
    fixed = {name: one.rounding for name, one in inputs.items() if name not in own}
    gone = {node.output[0] for layer in layers for node in layer.nodes}
    ends = {layer.nodes[-1].output[0]: layer for layer in layers}
    stored = {tensor.name: tensor for tensor in made.graph.initializer}
    tensors = list(stored.values())
    nodes: list[NodeProto] = []
    seen: set[str] = set()
    for node in model.graph.node:
        layer = ends.get(node.output[0])
        if layer is None:
            nodes += [] if node.output[0] in gone else [node]
            continue
        if layer.source not in seen:
            seen.add(layer.source)
            nodes += _rounding(layer.source, fixed.get(layer.source), tensors)
        nodes += _product(layer, inputs[layer.source], stored, tensors, fixed=layer.source in fixed)
    _replace(made, nodes, tensors)
    return made


def rounded(weight_KN: FloatArray) -> tuple[ByteArray, FloatArray]:
    """The weight in steps of its columns' scales (N,), and these: each the one of least squared
    error.
    """
    largest_N = np.maximum(np.abs(weight_KN).max(axis=0), np.finfo(np.float32).tiny)
    best_N, scale_N = np.full(largest_N.shape, np.inf), largest_N / MOST
    for share in _SHARES:
        tried_N = (largest_N * share / MOST).astype(np.float32)
        error_N = ((_steps(weight_KN, tried_N) * tried_N - weight_KN) ** 2).sum(axis=0)
        better_N = error_N < best_N
        best_N = np.where(better_N, error_N, best_N)
        scale_N = np.where(better_N, tried_N, scale_N)
    return _steps(weight_KN, scale_N).astype(np.int8), scale_N.astype(np.float32)


def _steps(weight_KN: FloatArray, scale_N: FloatArray) -> FloatArray:
    return np.rint(weight_KN / scale_N).clip(-MOST, MOST)


def _rounding(source: str, found: Rounding | None, tensors: list[TensorProto]) -> list[NodeProto]:
    """The input of one layer, or of several that share it, as unsigned bytes.

    Without a rounding each token's largest value becomes the largest byte; `<source>_row` is then
    what the product has to be multiplied with.
    """
    one = found or Rounding(np.float32(1.0), np.uint8(128))
    _store(tensors, f"{source}_step", np.asarray(one.step))
    _store(tensors, f"{source}_zero", np.asarray(one.zero))
    inputs, output = [source, f"{source}_step", f"{source}_zero"], f"{source}_bytes"
    if found is not None:
        return [_node("QuantizeLinear", inputs, output)]
    absolute, largest, row = (f"{source}_{kind}" for kind in ("absolute", "largest", "row"))
    _store(tensors, f"{source}_axis", np.array([-1], dtype=np.int64))
    _store(tensors, f"{source}_most", np.array(1.0 / _OF_TOKEN, dtype=np.float32))
    # A token of zeros would otherwise be divided by 0.
    _store(tensors, f"{source}_least", np.array(1e-12, dtype=np.float32))
    return [
        _node("Abs", [source], absolute),
        helper.make_node("ReduceMax", [absolute, f"{source}_axis"], [largest], largest, keepdims=1),
        _node("Max", [largest, f"{source}_least"], f"{source}_above"),
        _node("Mul", [f"{source}_above", f"{source}_most"], row),
        _node("Div", [source, row], f"{source}_scaled"),
        _node("QuantizeLinear", [f"{source}_scaled", *inputs[1:]], output),
    ]


def _product(
    layer: Layer,
    found: Input,
    stored: Mapping[str, TensorProto],
    tensors: list[TensorProto],
    *,
    fixed: bool,
) -> list[NodeProto]:
    name, source, output = layer.weight.name, layer.source, layer.output
    weight_KN = numpy_helper.to_array(layer.weight)
    # Several passes may read one weight: it is rounded and stored once.
    known = {tensor.name: tensor for tensor in tensors}
    if f"{name}_bytes" in known:
        bytes_KN, step_N = (
            numpy_helper.to_array(known[f"{name}_{kind}"]) for kind in ("bytes", "steps")
        )
    else:
        bytes_KN, step_N = rounded(weight_KN)
        _store(tensors, f"{name}_bytes", bytes_KN)
        _store(tensors, f"{name}_steps", step_N)
    bias_N = numpy_helper.to_array(stored[layer.bias]) if layer.bias else 0.0
    # A step of a token's own leaves its mean where it is.
    given_K = found.rounded_K if fixed else found.mean_K
    lost_N = found.mean_K @ weight_KN - given_K @ (bytes_KN * step_N)
    bias = f"{output}_bias"
    _store(tensors, bias, np.asarray(bias_N + lost_N, dtype=np.float32))
    inputs = [f"{source}_bytes", f"{name}_bytes", f"{source}_step", f"{name}_steps"]
    inputs.append(f"{source}_zero")
    if fixed:
        return [_node("MatMulIntegerToFloat", [*inputs, "", bias], output, DOMAIN)]
    # Other words than those of `_rounding`: a product's output may be another one's source.
    raw, scaled = f"{output}_whole", f"{output}_product"
    return [
        _node("MatMulIntegerToFloat", inputs, raw, DOMAIN),
        _node("Mul", [raw, f"{source}_row"], scaled),
        _node("Add", [scaled, bias], output),
    ]


def _node(kind: str, inputs: Sequence[str], output: str, domain: str = "") -> NodeProto:
    return helper.make_node(kind, inputs, [output], output, domain=domain)


def _store(tensors: list[TensorProto], name: str, values: NDArray[np.generic]) -> None:
    tensors.append(numpy_helper.from_array(np.asarray(values), name))


def _replace(model: ModelProto, nodes: list[NodeProto], tensors: list[TensorProto]) -> None:
    graph = model.graph
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    # A bias of zeros may be another node's as well.
    used = {name for node in nodes for name in node.input}
    kept = [
        TensorProto.FromString(tensor.SerializeToString())
        for tensor in tensors
        if tensor.name in used
    ]
    graph.ClearField("node")
    graph.ClearField("initializer")
    graph.node.extend(copies)
    graph.initializer.extend(kept)
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
