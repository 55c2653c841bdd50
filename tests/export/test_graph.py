"""The graph says what the network says, in one clean file, the same one every time."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor

from export.errors import GraphError
from export.graph import build_graph, read_calibration
from export.tracing import OPSET
from service.contract.bundle import Calibration
from service.engine.session import Session
from tests.export.tiny import CALIBRATION, LIMIT, TASKS, tiny_distilbert_network, tiny_network
from training.checkpoint import load
from training.config import ModelConfig
from training.model.network import Network
from training.model.sharing.trunk import Trunk
from training.scope import Mahalanobis, fit_scope, joined

SHAPES = ((1, 2), (1, LIMIT), (3, 9), (8, LIMIT))


def exported(network: Network, scope: Mahalanobis | None = None) -> bytes:
    return build_graph(network, TASKS, CALIBRATION, LIMIT, scope)


class TwoTrunks(Trunk):
    """Features of its own for each task, as schemes other than hard sharing give."""

    def __init__(self, whole: Trunk) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        found_BH = self.whole(ids_BL, mask_BL)[TASKS[0].name]
        return {task.name: found_BH * (1.0 + place) - place for place, task in enumerate(TASKS)}


@pytest.fixture(scope="module")
def graph(sealed: Path) -> bytes:
    """The graph of `tiny_network`, as it stands in the bundle."""
    return (sealed / "model.fp32.onnx").read_bytes()


@pytest.mark.slow
# BERT with [CLS] and linear heads has passed the parity gate on the way to `sealed`.
@pytest.mark.parametrize(
    "make",
    [lambda: tiny_network(ModelConfig(pooling="mean", head="gelu")), tiny_distilbert_network],
    ids=["mean pooling and deep heads", "DistilBERT"],
)
def test_other_networks_too_answer_as_torch_does(
    make: Callable[[], Network], tmp_path: Path
) -> None:
    network = make()
    (tmp_path / "graph.onnx").write_bytes(exported(network))
    session = Session.open(tmp_path / "graph.onnx", TASKS, "cpu", threads=1)
    random = np.random.default_rng(0)
    for batch, length in SHAPES:
        ids_BL = random.integers(4, 100, (batch, length))
        mask_BL = (np.arange(length) < random.integers(2, length + 1, (batch, 1))).astype(np.int64)
        with torch.inference_mode():
            logits = network(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL))
        raw, answers = session.logits(ids_BL, mask_BL), session.run(ids_BL, mask_BL).probabilities
        for name, logits_BC in logits.items():
            np.testing.assert_allclose(raw[name], logits_BC.numpy(), atol=2e-5)
            known = CALIBRATION[name]
            expected_BC = torch.softmax(
                logits_BC * torch.tensor(known.scale) + torch.tensor(known.bias), dim=1
            )
            np.testing.assert_allclose(answers[name], expected_BC.numpy(), atol=1e-5)


@pytest.mark.slow
def test_the_scope_score_of_a_scheme_with_features_of_their_own_is_torch_s(tmp_path: Path) -> None:
    network = tiny_network(ModelConfig(pooling="mean"))
    network.trunk = TwoTrunks(network.trunk)
    random = np.random.default_rng(0)
    # Two tasks, each with features of 32 dimensions.
    seen = {task.name: torch.from_numpy(random.normal(size=(90, 32))) for task in TASKS}
    scope = fit_scope(joined(seen).numpy())
    (tmp_path / "graph.onnx").write_bytes(exported(network, scope))
    session = Session.open(tmp_path / "graph.onnx", TASKS, "cpu", threads=1)
    assert session.signature()["scope_score"] == ("tensor(float)", ("batch",))
    for batch, length in SHAPES:
        ids_BL = random.integers(4, 100, (batch, length))
        mask_BL = (np.arange(length) < random.integers(2, length + 1, (batch, 1))).astype(np.int64)
        with torch.inference_mode():
            expected_B = scope(network.trunk(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL)))
        outputs = session.run(ids_BL, mask_BL)
        assert outputs.scope_B is not None
        np.testing.assert_allclose(outputs.scope_B, expected_B.numpy(), rtol=1e-4)


@pytest.mark.slow
def test_a_second_export_with_a_scope_score_gives_the_same_bytes(
    full_directory: Path, promising: Path
) -> None:
    full = load(full_directory)
    again = build_graph(full.network, TASKS, full.calibration, LIMIT, full.scope)
    assert again == (promising / "model.fp32.onnx").read_bytes()


def test_the_weights_of_a_scope_score_have_their_own_names(
    full_directory: Path, promising: Path
) -> None:
    full = load(full_directory)
    assert full.scope is not None
    stored = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load(promising / "model.fp32.onnx").graph.initializer
    }
    for name, part in full.scope.state_dict().items():
        np.testing.assert_array_equal(stored[f"scope.{name}"], part.numpy())


@pytest.mark.slow
def test_another_process_with_another_hash_seed_gives_the_same_bytes(graph: bytes) -> None:
    code = (
        "import sys; from tests.export.test_graph import *;"
        "sys.stdout.buffer.write(exported(tiny_network(ModelConfig())))"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=True)
    assert done.stdout == graph


def test_equal_calibrations_of_two_tasks_stay_apart_under_their_own_names(graph: bytes) -> None:
    model = onnx.load_from_string(graph)
    for task in TASKS:
        scale, bias = read_calibration(model, task.name)
        np.testing.assert_allclose(scale, CALIBRATION[task.name].scale, rtol=1e-7)
        np.testing.assert_allclose(bias, CALIBRATION[task.name].bias, rtol=1e-7)


def test_the_graph_carries_no_trace_of_where_it_was_made(graph: bytes) -> None:
    for trace in (b".py", b"site-packages", b"stack_trace", str(Path.home()).encode()):
        assert trace not in graph
    model = onnx.load_from_string(graph)
    assert {prop.key.partition(".")[0] for prop in model.metadata_props} == {"harbor"}
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_the_graph_is_one_file_of_standard_operators(graph: bytes) -> None:
    model = onnx.load_from_string(graph)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_inputs_and_outputs_are_named_typed_and_free_in_batch_and_length(
    graph: bytes, tmp_path: Path
) -> None:
    (tmp_path / "graph.onnx").write_bytes(graph)
    session = Session.open(tmp_path / "graph.onnx", TASKS, "cpu", threads=1)
    expected = {
        "input_ids": ("tensor(int64)", ("batch", "sequence")),
        "attention_mask": ("tensor(int64)", ("batch", "sequence")),
    }
    for task in TASKS:
        for kind in ("logits", "probabilities"):
            expected[f"{task.name}_{kind}"] = ("tensor(float)", ("batch", task.classes))
    assert session.signature() == expected


def test_a_calibration_of_the_wrong_size_is_refused() -> None:
    network = tiny_network(ModelConfig())
    short = {**CALIBRATION, "urgency": Calibration(method="none", scale=(1.0,), bias=(0.0,))}
    with pytest.raises(GraphError, match="urgency has 4 labels, its calibration 1"):
        build_graph(network, TASKS, short, LIMIT)
