"""A graph with packed attention comes in; the same graph in plain operators goes out, for machines
without CUDA.

Shapes: T tokens of all tickets, B tickets, N heads, D width of a head.
"""

from onnx import FunctionProto, ModelProto, NodeProto, TensorProto, helper

from export.attention import DOMAIN, PACKED_NODE, count
from export.errors import GraphError

_OURS, _OPSET = "harbor", 20
_LOWEST = -1e30
"""Instead of minus infinity, which would make a row without any token NaN."""


def equivalent(model: ModelProto) -> ModelProto:
    """A copy in which every PackedMultiHeadAttention is its definition.

    Attention is computed in float32 and given back in the type of its input, as the kernels for
    CUDA add. It costs T x T. Raises GraphError where nodes differ in heads or scale, or take what
    the definition does not know: a bias, or queries, keys and values in one.
    """
    made = ModelProto()
    made.CopyFrom(model)
    packed = [node for node in made.graph.node if _is_packed(node)]
    settings = {_settings(node) for node in packed}
    if len(settings) != 1:
        raise GraphError(f"packed attention of one kind is known, found {len(settings)} kinds")
    for node in packed:
        query, key, value, bias, _, bounds = node.input
        if bias or not key or not value:
            raise GraphError(f"{node.name} takes a bias or queries, keys and values in one")
        replaced = helper.make_node(
            PACKED_NODE, [query, key, value, bounds], node.output, node.name, domain=_OURS
        )
        node.CopyFrom(replaced)
    made.functions.append(_definition(*settings.pop()))
    made.opset_import.append(helper.make_opsetid(_OURS, 1))
    assert not count(made, PACKED_NODE)
    return made


def _is_packed(node: NodeProto) -> bool:
    return node.domain == DOMAIN and node.op_type == PACKED_NODE


def _settings(node: NodeProto) -> tuple[int, float]:
    """Heads and scale."""
    values = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    return int(values["num_heads"]), float(values["scale"])


def _definition(heads: int, scale: float) -> FunctionProto:
    node = helper.make_node
    numbers = {"one": 1, "zero": 0}
    lists = {"parts": [0, heads, -1], "whole": [0, -1], "from": [1], "to": [2**31 - 1], "last": [1]}
    nodes = [node("Constant", [], [name], value_int=one) for name, one in numbers.items()]
    nodes += [node("Constant", [], [name], value_ints=one) for name, one in lists.items()]
    nodes += [
        node("Constant", [], ["scale"], value_float=scale),
        node("Constant", [], ["lowest"], value_float=_LOWEST),
    ]
    nodes += _mask()
    for part, order in (("query", (1, 0, 2)), ("key", (1, 2, 0)), ("value", (1, 0, 2))):
        nodes += [
            node("Cast", [part], [f"{part}_wide"], to=TensorProto.FLOAT),
            node("Reshape", [f"{part}_wide", "parts"], [f"{part}_TND"]),
            node("Transpose", [f"{part}_TND"], [f"{part}_N"], perm=order),
        ]
    nodes += [
        node("MatMul", ["query_N", "key_N"], ["raw_NTT"]),
        node("Mul", ["raw_NTT", "scale"], ["scores_NTT"]),
        node("Where", ["same_TT", "scores_NTT", "lowest"], ["masked_NTT"]),
        node("Softmax", ["masked_NTT"], ["weights_NTT"], axis=-1),
        node("MatMul", ["weights_NTT", "value_N"], ["found_NTD"]),
        node("Transpose", ["found_NTD"], ["found_TND"], perm=(1, 0, 2)),
        node("Reshape", ["found_TND", "whole"], ["found_wide"]),
        node("CastLike", ["found_wide", "query"], ["found"]),
    ]
    opsets = [helper.make_opsetid("", _OPSET)]
    inputs = ["query", "key", "value", "bounds"]
    return helper.make_function(_OURS, PACKED_NODE, inputs, ["found"], nodes, opsets)


def _mask() -> list[NodeProto]:
    """`same_TT`: whether two tokens are of one ticket: as many tickets end before either."""
    node = helper.make_node
    return [
        node("Cast", ["bounds"], ["bounds_E"], to=TensorProto.INT64),
        node("Slice", ["bounds_E", "from", "to"], ["ends_B"]),
        node("Shape", ["query"], ["tokens"], start=0, end=1),
        node("Squeeze", ["tokens"], ["token_count"]),
        node("Range", ["zero", "token_count", "one"], ["places_T"]),
        node("Unsqueeze", ["places_T", "last"], ["places_T1"]),
        node("GreaterOrEqual", ["places_T1", "ends_B"], ["past_TB"]),
        node("Cast", ["past_TB"], ["past_count_TB"], to=TensorProto.INT64),
        node("ReduceSum", ["past_count_TB", "last"], ["ticket_T1"], keepdims=1),
        node("Transpose", ["ticket_T1"], ["ticket_1T"], perm=(1, 0)),
        node("Equal", ["ticket_T1", "ticket_1T"], ["same_TT"]),
    ]
