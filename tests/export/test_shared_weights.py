"""A weight that several passes read stands in the graph once, in floats and in whole numbers."""

from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, numpy_helper
from transformers import BertConfig, BertModel

from export.graph import build_graph
from export.int8.layers import find_layers
from export.int8.ranges import measure
from export.int8.rewrite import quantized
from service.contract.tokens import Tokenizer
from service.engine.session import Session
from tests.export.tiny import CALIBRATION, LIMIT, TASKS
from tests.tiny_bundle import tokenizer_definition
from tests.training.model.sharing.trunks import shaken
from training.config import ModelConfig
from training.model.network import Network, build_network

WIDTH = 96
"""The exporter turns a weight of up to 8,192 numbers for each of its readers; this one's are
larger, as every published encoder's are."""
PRODUCTS = 2 * 6
"""Of tokens and weights in an encoder of two layers."""


def network(sharing: str) -> Network:
    torch.manual_seed(0)
    encoder = BertConfig(
        vocab_size=Tokenizer(tokenizer_definition(), LIMIT).vocabulary_size,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=LIMIT,
        initializer_range=0.2,
    )
    model = ModelConfig.model_validate({"pooling": "mean", "sharing": sharing})
    made = build_network(BertModel(encoder, add_pooling_layer=False), WIDTH, TASKS, model)
    # As if it had learned: at the start the tasks' passes are equal, and the exporter merges them.
    shaken(made.trunk)
    return made.eval()


def graph(sharing: str) -> bytes:
    return build_graph(network(sharing), TASKS, CALIBRATION, LIMIT)


def large(model: ModelProto) -> list[bytes]:
    """The values of each weight of a product, in the order of their size: turned or not."""
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    return [np.sort(one, axis=None).tobytes() for one in arrays if one.size >= WIDTH * WIDTH]


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(0)
    drawn = []
    for length in (5, 12, LIMIT):
        real_B1 = random.integers(2, length + 1, (8, 1))
        mask_BL = (np.arange(length) < real_B1).astype(np.int64)
        drawn.append((random.integers(4, 60, (8, length)) * mask_BL, mask_BL))
    return drawn


@pytest.fixture(scope="module")
def lora() -> ModelProto:
    return onnx.load_from_string(graph("lora"))


def check_stored_once(model: ModelProto) -> None:
    stored = {tensor.name for tensor in model.graph.initializer}
    turns = [node for node in model.graph.node if node.op_type == "Transpose"]
    assert not [node.input[0] for node in turns if node.input[0] in stored]
    assert set(Counter(large(model)).values()) == {1}
    read = {name for node in model.graph.node for name in node.input}
    assert stored <= read


def test_every_weight_is_stored_once_and_as_its_products_read_it(lora: ModelProto) -> None:
    check_stored_once(lora)
    layers = [layer for layer in find_layers(lora) if min(layer.weight.dims) >= WIDTH]
    assert len({layer.weight.name for layer in layers}) == PRODUCTS
    # The first layer's query, key and value read what all tasks share, so they run once.
    assert len(layers) == len(TASKS) * PRODUCTS - 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "sharing", ["hard", "bottleneck", "conditioned", "prefix", "cross_stitch", "mmoe", "ple"]
)
def test_so_it_is_in_every_scheme(sharing: str) -> None:
    check_stored_once(onnx.load_from_string(graph(sharing)))


def test_equal_networks_of_several_passes_give_equal_bytes(lora: ModelProto) -> None:
    assert graph("lora") == lora.SerializeToString(deterministic=True)


def test_whole_numbers_too_are_stored_once_and_answer_nearly_alike(
    lora: ModelProto, tmp_path_factory: pytest.TempPathFactory
) -> None:
    layers = find_layers(lora)
    inputs = measure(lora, sorted({layer.source for layer in layers}), batches())
    made = quantized(lora, inputs)
    products = [node for node in made.graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == len(layers) > PRODUCTS
    names = [tensor.name for tensor in made.graph.initializer]
    assert len(names) == len(set(names))
    weights = {node.input[1] for node in products}
    assert len(weights) < len(products)
    assert set(Counter(large(made)).values()) == {1}
    given = [output for node in made.graph.node for output in node.output]
    assert len(given) == len(set(given))
    directory = tmp_path_factory.mktemp("graphs")
    sessions = []
    for place, model in enumerate((lora, made)):
        onnx.save(model, directory / f"{place}.onnx")
        sessions.append(Session.open(directory / f"{place}.onnx", TASKS, "cpu", threads=1))
    for ids_BL, mask_BL in batches():
        before, after = (session.run(ids_BL, mask_BL).probabilities for session in sessions)
        for task in TASKS:
            # Bytes, in a random network: some 0.01.
            np.testing.assert_allclose(after[task.name], before[task.name], atol=0.05)
