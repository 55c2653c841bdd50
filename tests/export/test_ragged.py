"""A graph without padding answers as the padded one does, whatever stands beside a ticket."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from transformers import ElectraConfig, ElectraModel

from export.attention import DOMAIN, FUSED_NODE, PACKED_NODE, count
from export.closeness import HALF, SAME, Closeness, compare
from export.errors import GraphError
from export.graph import build_graph
from export.ragged.equivalent import equivalent
from export.ragged.graph import build_packed_graph, build_ragged_graph
from export.sessions import RaggedSession, flat
from service.contract.tokens import Tokens, pad
from service.engine.layout import Flat
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
from training.config.sharing import SoftConfig
from training.model.network import build_network


def packed_here(directory: Path, graph: bytes) -> Session:
    plain = equivalent(onnx.load_from_string(graph)).SerializeToString()
    return opened(directory, RaggedSession, plain)


@pytest.mark.parametrize("kind", KINDS)
def test_the_masked_graph_answers_as_the_padded_one_does(kind: str, tmp_path: Path) -> None:
    known = opened(tmp_path, Session, graph_of(build_graph, kind))
    found = opened(tmp_path, RaggedSession, graph_of(build_ragged_graph, kind))
    closeness = Closeness("ragged.onnx", SAME)
    compare(known, found, texts(), TOKENIZER.pad_id, closeness)
    assert closeness.texts > 100
    assert closeness.max_scope is not None


@pytest.mark.parametrize("kind", KINDS)
def test_the_packed_graph_s_definition_answers_as_the_padded_one_does(
    kind: str, tmp_path: Path
) -> None:
    known = opened(tmp_path, Session, graph_of(build_graph, kind))
    found = packed_here(tmp_path, graph_of(build_packed_graph, kind))
    closeness = Closeness("packed.onnx", HALF)
    compare(known, found, texts(), TOKENIZER.pad_id, closeness)
    assert closeness.texts > 100


@pytest.mark.parametrize("kind", KINDS)
def test_the_packed_graph_has_one_packed_node_a_layer_that_reads_the_inputs(kind: str) -> None:
    model = model_of(build_packed_graph, kind)
    packed = [node for node in model.graph.node if node.domain == DOMAIN]
    assert count(model, PACKED_NODE) == len(packed) == 2
    assert count(model, FUSED_NODE) == 0
    # What comes from the graph's own inputs needs no answer of the device in between.
    assert {tuple(node.input[4:]) for node in packed} == {("token_offset", "cu_seqlens")}
    assert [one.name for one in model.graph.input] == [
        "input_ids",
        "position_ids",
        "cu_seqlens",
        "token_offset",
    ]
    # Attention's own softmax is inside; what is left are the heads'.
    assert sum(node.op_type == "Softmax" for node in model.graph.node) == len(TASKS)


def test_inputs_and_outputs_are_of_the_types_that_the_service_expects() -> None:
    model = model_of(build_ragged_graph, "bert")
    kinds = {one.name: one.type.tensor_type for one in (*model.graph.input, *model.graph.output)}
    types = {name: kind.elem_type for name, kind in kinds.items()}
    axes = {name: len(kind.shape.dim) for name, kind in kinds.items()}
    wanted = {"input_ids": (7, 1), "position_ids": (7, 1), "cu_seqlens": (6, 1)}
    wanted |= {"scope_score": (1, 1)}
    for task in TASKS:
        wanted |= {f"{task.name}_logits": (1, 2), f"{task.name}_probabilities": (1, 2)}
    assert {name: (types[name], axes[name]) for name in kinds} == wanted


def test_what_stands_beside_a_ticket_changes_nothing(tmp_path: Path) -> None:
    session = opened(tmp_path, RaggedSession, graph_of(build_ragged_graph, "bert, mean"))
    random = np.random.default_rng(0)
    tickets = [
        Tokens(random.integers(5, 30, size=length), truncated=False) for length in (3, 1, 32, 7, 2)
    ]
    together = session.run_ragged(Flat.of(tickets)).probabilities
    for place, ticket in enumerate(tickets):
        alone = session.run_ragged(Flat.of([ticket])).probabilities
        for name, rows in together.items():
            np.testing.assert_allclose(rows[place], alone[name][0], atol=1e-6)


def test_a_padded_batch_is_laid_end_to_end_as_the_service_does() -> None:
    tickets = [Tokens(np.arange(5, 5 + length), truncated=False) for length in (4, 2, 6)]
    found, wanted = flat(*pad(tickets, 0)), Flat.of(tickets)
    for name in ("ids_T", "positions_T", "ends_E"):
        one, other = getattr(found, name), getattr(wanted, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_second_export_gives_the_same_bytes() -> None:
    parts = network_of("bert"), TASKS, CALIBRATION, LIMIT, SCOPE
    assert build_ragged_graph(*parts) == graph_of(build_ragged_graph, "bert")
    assert build_packed_graph(*parts) == graph_of(build_packed_graph, "bert")


def test_a_scheme_with_other_layers_is_refused_by_name() -> None:
    network = tiny_network(ModelConfig(sharing=SoftConfig()))
    with pytest.raises(GraphError, match="hard sharing alone, found SoftSharing"):
        build_ragged_graph(network, TASKS, CALIBRATION, LIMIT)
    with pytest.raises(GraphError, match="hard sharing alone, found SoftSharing"):
        build_packed_graph(network, TASKS, CALIBRATION, LIMIT)


def test_an_encoder_that_is_not_known_is_refused_by_its_type() -> None:
    size = ElectraConfig(
        vocab_size=40,
        embedding_size=32,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    network = build_network(ElectraModel(size), 32, TASKS, ModelConfig())
    with pytest.raises(GraphError, match="found electra"):
        build_ragged_graph(network, TASKS, CALIBRATION, LIMIT)


def test_a_packed_node_that_the_definition_does_not_know_is_refused() -> None:
    model = model_of(build_packed_graph, "bert")
    packed = [node for node in model.graph.node if node.domain == DOMAIN]
    packed[0].input[3] = "a_bias"
    with pytest.raises(GraphError, match="takes a bias"):
        equivalent(model)
    packed[0].input[3] = ""
    next(one for one in packed[0].attribute if one.name == "num_heads").i = 4
    with pytest.raises(GraphError, match="found 2 kinds"):
        equivalent(model)
