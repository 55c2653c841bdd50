"""A graph with its encoder in half precision answers as the fp32 graph does, or is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor

from export.attention import DOMAIN, FUSED_NODE, check_nodes, count
from export.closeness import HALF, SAME, Closeness, compare
from export.errors import GraphError, ParityError
from export.graph import build_graph
from export.half import build_half_graph, halved
from service.engine.outputs import Outputs
from service.engine.session import Session
from tests.export.graphs import (
    KINDS,
    SCOPE,
    TOKENIZER,
    graph_of,
    model_of,
    network_of,
    opened,
    texts,
)
from tests.export.tiny import CALIBRATION, LIMIT, TASKS, tiny_network
from training.config import ModelConfig
from training.config import sharing as schemes
from training.model.network import Network
from training.model.sharing.trunk import Trunk


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_the_fp32_graph_does(kind: str, tmp_path: Path) -> None:
    known = opened(tmp_path, Session, graph_of(build_graph, kind))
    found = opened(tmp_path, Session, graph_of(build_half_graph, kind))
    closeness = Closeness("fp16.onnx", HALF)
    compare(known, found, texts(), TOKENIZER.pad_id, closeness)
    assert closeness.texts > 100
    assert closeness.max_scope is not None
    assert 0.0 < max(closeness.max_dp.values()) <= HALF.tolerance


@pytest.mark.slow
@pytest.mark.parametrize(
    "scheme",
    [
        schemes.BottleneckConfig(),
        schemes.ConditionedConfig(),
        schemes.CrossStitchConfig(),
        schemes.LoraConfig(),
        schemes.MmoeConfig(),
        schemes.PleConfig(),
        schemes.PrefixConfig(),
        schemes.SluiceConfig(),
        schemes.SoftConfig(),
    ],
    ids=lambda scheme: scheme.scheme,
)
def test_sharing_schemes_have_a_graph_in_half_precision(scheme: Any, tmp_path: Path) -> None:
    parts = tiny_network(ModelConfig(sharing=scheme)), TASKS, CALIBRATION, LIMIT
    known, found = (
        opened(tmp_path, Session, build(*parts)) for build in (build_graph, build_half_graph)
    )
    compare(known, found, texts(), TOKENIZER.pad_id, Closeness("fp16.onnx", HALF))


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_is_half_and_heads_and_outputs_are_float32(kind: str) -> None:
    model = model_of(build_half_graph, kind)
    assert count(model, FUSED_NODE) == 2
    assert {one.type.tensor_type.elem_type for one in model.graph.output} == {TensorProto.FLOAT}
    halves = [one for one in model.graph.initializer if one.data_type == TensorProto.FLOAT16]
    weights = {one.name for one in halves if len(one.dims) == 2}
    products = [node for node in model.graph.node if node.op_type in ("MatMul", "Gemm")]
    in_half = [node for node in products if weights.intersection(node.input)]
    assert len(in_half) == 2 * 6
    assert len(products) - len(in_half) >= len(TASKS)


def test_the_network_itself_stays_as_it_is() -> None:
    network = network_of("bert")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    halved(network)
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_second_export_gives_the_same_bytes() -> None:
    parts = network_of("bert"), TASKS, CALIBRATION, LIMIT, SCOPE
    assert build_half_graph(*parts) == graph_of(build_half_graph, "bert")


def test_tasks_that_share_features_share_them_in_half_precision_too() -> None:
    made = halved(network_of("bert, mean"))
    ids_BL = torch.ones((2, 5), dtype=torch.int64)
    features = made.trunk(ids_BL, torch.ones_like(ids_BL))
    assert len({id(part) for part in features.values()}) == 1
    assert {part.dtype for part in features.values()} == {torch.float32}


class Shallow(Trunk):
    """A trunk that reads its encoder's embeddings alone."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.encoder, self.tasks = network.trunk.encoder, network.trunk.tasks

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Their sum over the tokens."""
        embedded_BLH = self.encoder.get_input_embeddings()(ids_BL)
        return dict.fromkeys(self.tasks, (embedded_BLH * mask_BL[..., None]).sum(1))


def test_a_trunk_whose_attention_is_not_fused_is_refused() -> None:
    network = tiny_network(ModelConfig())
    network.trunk = Shallow(network)
    with pytest.raises(GraphError, match="0 MultiHeadAttention nodes, its encoder 2 layers"):
        build_half_graph(network, TASKS, CALIBRATION, LIMIT)


def test_a_graph_with_too_few_fused_nodes_is_refused() -> None:
    model = model_of(build_half_graph, "bert")
    check_nodes(model, FUSED_NODE, 2)
    fused = [node for node in model.graph.node if node.domain == DOMAIN]
    model.graph.node.remove(fused[0])
    with pytest.raises(GraphError, match="1 MultiHeadAttention nodes, its encoder 2 layers"):
        check_nodes(model, FUSED_NODE, 2)


def test_a_damaged_half_graph_is_not_close(tmp_path: Path) -> None:
    model = model_of(build_half_graph, "bert")
    weight = next(
        one
        for one in model.graph.initializer
        if one.data_type == TensorProto.FLOAT16 and len(one.dims) == 2
    )
    values = numpy_helper.to_array(weight) * np.float16(1.5)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    known = opened(tmp_path, Session, graph_of(build_graph, "bert"))
    found = opened(tmp_path, Session, model.SerializeToString())
    with pytest.raises(ParityError, match=r"a probability differs|another label"):
        compare(known, found, texts(), TOKENIZER.pad_id, Closeness("fp16.onnx", HALF))


def outputs(rows: list[list[float]], scope: list[float] | None = None) -> Outputs:
    scope_B = None if scope is None else np.array(scope, dtype=np.float32)
    return Outputs({"urgency": np.array(rows, dtype=np.float32)}, scope_B)


def test_one_flip_in_a_thousand_is_allowed_and_two_are_not() -> None:
    closeness = Closeness("a.onnx", HALF)
    even = [[0.6, 0.4]] * 999
    closeness.add(outputs([*even, [0.501, 0.499]]), outputs([*even, [0.499, 0.501]]))
    closeness.check()
    closeness.add(outputs([[0.501, 0.499]]), outputs([[0.499, 0.501]]))
    with pytest.raises(ParityError, match="get another label"):
        closeness.check()


def test_a_graph_in_float32_may_swap_only_labels_that_are_even() -> None:
    closeness = Closeness("a.onnx", SAME)
    closeness.add(outputs([[0.500001, 0.499999]]), outputs([[0.499999, 0.500001]]))
    closeness.check()


@pytest.mark.parametrize("value", [0.61, float("nan")])
def test_a_probability_too_far_away_is_refused_whatever_comes_after(value: float) -> None:
    closeness = Closeness("a.onnx", HALF)
    closeness.add(outputs([[0.6, 0.4]]), outputs([[value, 0.4]]))
    closeness.add(outputs([[0.6, 0.4]]), outputs([[0.6, 0.4]]))
    with pytest.raises(ParityError, match="a probability differs from the fp32 graph's"):
        closeness.check()


@pytest.mark.parametrize("score", [11.0, float("nan")])
def test_a_scope_score_too_far_away_is_refused(score: float) -> None:
    closeness = Closeness("a.onnx", HALF)
    rows = [[0.6, 0.4]]
    closeness.add(outputs(rows, [10.0]), outputs(rows, [score]))
    closeness.add(outputs(rows, [10.0]), outputs(rows, [10.0]))
    with pytest.raises(ParityError, match="a scope score differs"):
        closeness.check()
