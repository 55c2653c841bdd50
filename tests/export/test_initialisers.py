"""A graph's calibration is replaced, its spread put in and taken out, and the rest stays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.errors import GraphError
from export.graph import build_graph
from export.initialisers import read_spread, spread_values, with_calibration
from service.contract.bundle import Calibration
from service.engine.session import Session
from tests import tiny_bundle
from tests.export.tiny import CALIBRATION, LIMIT, TASKS, tiny_network
from training.calibration.fit import probabilities
from training.config import ModelConfig

PLAIN = {
    "category": Calibration(method="a", scale=(0.8,) * 3, bias=(0.0,) * 3),
    "urgency": Calibration(method="a", scale=(0.8,) * 4, bias=(0.0,) * 4),
}
SPREAD = {
    "category": Calibration(method="b", scale=(1.7,) * 3, bias=(0.3, 0.0, -0.3), spread=0.07),
    "urgency": Calibration(method="b", scale=(0.9,) * 4, bias=(0.0, 0.1, 0.2, -0.3), spread=0.3),
}


@dataclass(frozen=True)
class Answered:
    logits: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def older() -> bytes:
    """A graph as Harbor made it before there was a spread, its nodes without names."""
    return tiny_bundle.graph(TASKS, seed=3, vocabulary=50)


def answers(graph: bytes, directory: Path) -> Answered:
    (directory / "graph.onnx").write_bytes(graph)
    session = Session.open(directory / "graph.onnx", TASKS, "cpu", threads=1)
    random = np.random.default_rng(0)
    ids_BL = random.integers(0, 50, (64, 5))
    mask_BL = np.ones_like(ids_BL)
    return Answered(
        dict(session.logits(ids_BL, mask_BL)), dict(session.run(ids_BL, mask_BL).probabilities)
    )


@pytest.mark.parametrize("calibration", [PLAIN, SPREAD], ids=["without a spread", "with one"])
def test_the_graph_gives_the_calibrated_probabilities(
    older: bytes, calibration: dict[str, Calibration], tmp_path: Path
) -> None:
    found = answers(with_calibration(older, calibration), tmp_path)
    for name, known in calibration.items():
        expected_BC = probabilities(found.logits[name], known)
        np.testing.assert_allclose(found.probabilities[name], expected_BC, atol=1e-6, rtol=0)
        np.testing.assert_allclose(found.probabilities[name].sum(axis=1), 1.0, atol=1e-6, rtol=0)


def test_an_older_graph_gets_a_spread_another_one_and_none_again(older: bytes) -> None:
    other = {name: one.model_copy(update={"spread": 0.01}) for name, one in SPREAD.items()}
    plain, spread = with_calibration(older, PLAIN), with_calibration(older, SPREAD)
    assert with_calibration(with_calibration(older, other), SPREAD) == spread
    assert with_calibration(spread, PLAIN) == plain
    onnx.checker.check_model(onnx.load_from_string(spread), full_check=True)
    assert [node.name for node in onnx.load_from_string(plain).graph.node] == [
        node.name for node in onnx.load_from_string(older).graph.node
    ]


def test_the_spread_of_one_task_leaves_the_other_alone(older: bytes, tmp_path: Path) -> None:
    before = answers(with_calibration(older, PLAIN), tmp_path).probabilities
    one = with_calibration(with_calibration(older, PLAIN), {"category": SPREAD["category"]})
    after = answers(one, tmp_path).probabilities
    np.testing.assert_array_equal(after["urgency"], before["urgency"])
    assert np.abs(after["category"] - before["category"]).max() > 0.01


def test_the_spread_is_read_as_it_was_written(older: bytes) -> None:
    model = onnx.load_from_string(with_calibration(older, SPREAD))
    for name, known in SPREAD.items():
        assert read_spread(model, name) == spread_values(known)
        kept, even = spread_values(known)
        assert kept + even * len(known.scale) == pytest.approx(1.0, abs=1e-7)
    assert read_spread(onnx.load_from_string(older), "category") == (1.0, 0.0)
    assert spread_values(PLAIN["category"]) == (1.0, 0.0)


def test_inputs_and_outputs_keep_their_names_and_shapes(older: bytes) -> None:
    before, after = (
        onnx.load_from_string(one).graph for one in (older, with_calibration(older, SPREAD))
    )
    assert list(before.input) == list(after.input)
    assert list(before.output) == list(after.output)


def test_probabilities_that_are_no_softmax_are_not_spread(older: bytes) -> None:
    model = onnx.load_from_string(older)
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.op_type = "LogSoftmax"
    with pytest.raises(GraphError, match="category_probabilities must be a softmax"):
        with_calibration(model.SerializeToString(), SPREAD)


def test_a_graph_without_the_initialiser_is_refused(older: bytes) -> None:
    with pytest.raises(GraphError, match="no initialiser queue_scale"):
        with_calibration(older, {"queue": PLAIN["category"]})
    with pytest.raises(GraphError, match=r"category_scale has the shape \[3\], the calibration 4"):
        with_calibration(older, {"category": PLAIN["urgency"]})


@pytest.mark.slow
def test_a_new_graph_with_a_spread_is_the_one_without_after_its_calibration(sealed: Path) -> None:
    spread = {name: one.model_copy(update={"spread": 0.125}) for name, one in CALIBRATION.items()}
    without = (sealed / "model.fp32.onnx").read_bytes()
    built = build_graph(tiny_network(ModelConfig()), TASKS, spread, LIMIT)
    assert with_calibration(without, spread) == built
    assert with_calibration(built, CALIBRATION) == without
