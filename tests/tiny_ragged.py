"""Adds to a tiny bundle a ragged graph with the weights, heads and answers of its padded one."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.contract.bundle import MANIFEST
from tests.tiny_bundle import GRAPH, reseal

RAGGED_GRAPH = "model.fp32.ragged.onnx"


def add_ragged(
    bundle: Path, *, has_offsets: bool = False, providers: tuple[str, ...] = ("cpu", "cuda")
) -> Path:
    """The same bundle, sealed anew, with a variant that takes tickets end to end.

    has_offsets: its graph asks for `token_offset`, too, as one with packed attention does.
    """
    model = ragged_graph((bundle / GRAPH).read_bytes(), has_offsets=has_offsets)
    (bundle / RAGGED_GRAPH).write_bytes(model)
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    variant = {**manifest["variants"][0], "file": RAGGED_GRAPH, "layout": "ragged"}
    manifest["variants"].append({**variant, "providers": list(providers)})
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return reseal(bundle)


def ragged_graph(padded: bytes, *, has_offsets: bool = False) -> bytes:
    """A padded tiny graph's twin: a ticket's tokens are found by `cu_seqlens`."""
    model = onnx.load_from_string(padded)
    graph = model.graph
    heads = list(graph.node)[_first_head(graph) :]
    del graph.node[:]
    graph.node.extend([*_mean_nodes(), *heads])
    numbers = {"nought": 0, "one": 1, "minus": -1, "many": 2**31 - 1}
    graph.initializer.extend(
        numpy_helper.from_array(np.array([number], dtype=np.int64), name)
        for name, number in numbers.items()
    )
    graph.initializer.append(numpy_helper.from_array(np.array(0, dtype=np.int64), "start"))
    graph.initializer.append(numpy_helper.from_array(np.array(1, dtype=np.int64), "step"))
    del graph.input[:]
    graph.input.extend(
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["tokens"]),
            helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["tokens"]),
            helper.make_tensor_value_info("cu_seqlens", TensorProto.INT32, ["ends"]),
        ]
    )
    if has_offsets:
        offsets = helper.make_tensor_value_info(
            "token_offset", TensorProto.INT32, ["batch", "sequence"]
        )
        graph.input.append(offsets)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _first_head(graph: onnx.GraphProto) -> int:
    (last,) = (at for at, node in enumerate(graph.node) if node.output[0] == "features")
    return last + 1


def _mean_nodes() -> list[onnx.NodeProto]:
    """features (B, width): the mean of each ticket's own tokens, by a (B, T) matrix of 0 and 1."""
    make = helper.make_node
    return [
        make("Gather", ["embedding", "input_ids"], ["embedded"]),
        make("Shape", ["input_ids"], ["tokens"]),
        make("Squeeze", ["tokens"], ["count_tokens"]),
        make("Range", ["start", "count_tokens", "step"], ["places"]),
        make("Cast", ["cu_seqlens"], ["ends"], to=TensorProto.INT64),
        make("Slice", ["ends", "nought", "minus"], ["firsts"]),
        make("Slice", ["ends", "one", "many"], ["stops"]),
        make("Unsqueeze", ["firsts", "axis"], ["firsts_column"]),
        make("Unsqueeze", ["stops", "axis"], ["stops_column"]),
        make("GreaterOrEqual", ["places", "firsts_column"], ["begun"]),
        make("Less", ["places", "stops_column"], ["not_over"]),
        make("And", ["begun", "not_over"], ["own"]),
        make("Cast", ["own"], ["mask"], to=TensorProto.FLOAT),
        make("MatMul", ["mask", "embedded"], ["total"]),
        make("ReduceSum", ["mask", "axis"], ["count"], keepdims=1),
        make("Div", ["total", "count"], ["features"]),
    ]
