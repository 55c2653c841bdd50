"""A graph comes in; those of its matrix products that run in whole numbers go out.

Shapes: B batch, L padded length, K inputs and N outputs of a layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto, shape_inference

from export.errors import GraphError


@dataclass(frozen=True)
class Layer:
    """A product of tokens (B, L, K) and a constant weight (K, N), with its bias (N,) if any.

    source: the tensor that comes in; the q, k and v of one attention share theirs. nodes: what is
    replaced, the last of which gives `output`.
    """

    source: str
    weight: TensorProto
    bias: str | None
    output: str
    nodes: tuple[NodeProto, ...]


def find_layers(model: ModelProto) -> tuple[Layer, ...]:
    """The encoder's layers, in the graph's order: only there a product's input has the rank 3.

    Embeddings are no products; pooling is behind the encoder, so heads and scope score see rank 2.
    Raises GraphError where there is none.
    """
    ranks, stored = _ranks(model), {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = tuple(
        _layer(node, stored, readers.get(node.output[0], ()))
        for node in model.graph.node
        if node.op_type == "MatMul" and ranks.get(node.input[0]) == 3 and node.input[1] in stored
    )
    if not found:
        raise GraphError("the graph has no product of tokens and a constant weight to quantise")
    return found


def _layer(
    product: NodeProto, stored: dict[str, TensorProto], readers: Sequence[NodeProto]
) -> Layer:
    source, weight = product.input
    if len(readers) == 1 and readers[0].op_type == "Add":
        (addition,) = readers
        biases = [name for name in addition.input if name in stored]
        if biases and len(stored[biases[0]].dims) == 1:
            nodes = product, addition
            return Layer(source, stored[weight], biases[0], addition.output[0], nodes)
    return Layer(source, stored[weight], None, product.output[0], (product,))


def _ranks(model: ModelProto) -> dict[str, int]:
    known = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    return {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*known.value_info, *known.input)
        if value.type.tensor_type.HasField("shape")
    }
