"""Progressive layered extraction, on the pooled vector.

Shapes: B batch, H width, E experts that a gate weighs.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from tests.training.model.sharing.trunks import (
    NAMES,
    WIDTH,
    Encoder,
    bert,
    check_batched_equals_alone,
    check_export,
    check_kept_tasks_answer_as_before,
    check_saved_and_read_back,
    check_shared_parameters,
    distilbert,
    reached,
    said,
    shaken,
    starting,
    tickets,
)
from training.config.sharing import PleConfig
from training.model.sharing.hard import HardSharing
from training.model.sharing.ple import ProgressiveExtraction
from training.model.sharing.trunk import Pooling

Array = NDArray[np.float32]
HELD = ("category", "urgency", "TYPE")
EVERY_LEVEL = pytest.mark.parametrize("levels", [1, 3])
EVERY_ENCODER = pytest.mark.parametrize("encoder", [bert, distilbert])


def extraction(
    encoder: nn.Module, levels: int = 1, pooling: Pooling = "mean", **changes: Any
) -> ProgressiveExtraction:
    settings = PleConfig(**{"levels": levels, "shared": 2, "own": 1, **changes})
    return ProgressiveExtraction(encoder, NAMES, pooling, WIDTH, settings)


def said_by(state: dict[str, Array], name: str, count: int, x_BH: Array) -> list[Array]:
    """Each expert's answer, (B, H), from its weights."""
    answers = []
    for first, second in ((f"{name}.{i}.0", f"{name}.{i}.2") for i in range(count)):
        inner = np.maximum(x_BH @ state[f"{first}.weight"].T + state[f"{first}.bias"], 0)
        answers.append(inner @ state[f"{second}.weight"].T + state[f"{second}.bias"])
    return answers


def weighed(state: dict[str, Array], gate: str, x_BH: Array, answers: list[Array]) -> Array:
    gate_BE = softmax(x_BH @ state[f"{gate}.score.weight"].T, axis=1)
    mixed: Array = np.einsum("be,ebh->bh", gate_BE, np.stack(answers))
    return mixed


def written_out(state: dict[str, Array], levels: int, pooled_BH: Array) -> dict[str, Array]:
    """The paper's formulas for two shared experts and one a task."""
    streams, shared_BH = dict.fromkeys(HELD, pooled_BH), pooled_BH
    for level in (f"levels.{place}" for place in range(levels)):
        shared = said_by(state, f"{level}.shared", 2, shared_BH)
        own = {name: said_by(state, f"{level}.own.{name}", 1, streams[name]) for name in HELD}
        streams = {
            name: weighed(state, f"{level}.gates.{name}", streams[name], [*own[name], *shared])
            for name in HELD
        }
        if f"{level}.shared_gate.score.weight" in state:
            every = [*own["category"], *own["urgency"], *own["TYPE"], *shared]
            shared_BH = weighed(state, f"{level}.shared_gate", shared_BH, every)
    return streams


@EVERY_LEVEL
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_its_features_are_those_of_the_formulas(levels: int, pooling: Pooling) -> None:
    trunk = extraction(bert(), levels, pooling, expert=7)
    shaken(trunk)
    state = {name: value.numpy() for name, value in trunk.state_dict().items()}
    assert sum(name.endswith("shared_gate.score.weight") for name in state) == levels - 1
    hard = HardSharing(trunk.encoder, NAMES, pooling)
    pooled_BH = said(hard, *tickets(4, 9))["type"].numpy()
    expected, found = written_out(state, levels, pooled_BH), said(trunk, *tickets(4, 9))
    for task, name in zip(NAMES, HELD, strict=True):
        np.testing.assert_allclose(found[task].numpy(), expected[name], atol=1e-5)


def test_on_one_level_a_loss_reaches_its_own_and_the_shared_experts_alone() -> None:
    found = reached(extraction(bert()), "urgency")
    own = ("levels.0.own.urgency.", "levels.0.shared.", "levels.0.gates.urgency.")
    assert all(starting(found, lead) for lead in own)
    assert starting(found, "levels.") == starting(found, *own)


def test_through_the_shared_gate_of_a_lower_level_a_loss_reaches_all_experts_of_it() -> None:
    found = reached(extraction(bert(), levels=2), "urgency")
    for name in HELD:
        assert starting(found, f"levels.0.own.{name}.")
    assert starting(found, "levels.0.shared_gate.")
    assert not starting(found, "levels.1.own.category.", "levels.1.own.TYPE.")
    assert not starting(found, "levels.0.gates.category.", "levels.1.gates.TYPE.")


@EVERY_LEVEL
def test_the_load_of_the_last_level_sums_to_one_over_own_and_shared_experts(levels: int) -> None:
    trunk = extraction(bert(), levels)
    assert trunk.load() == {}
    trunk.train()(*tickets(5, 7))
    load = trunk.load()
    assert tuple(load) == NAMES
    assert all(len(shares) == 3 and min(shares) > 0 for shares in load.values())
    assert all(sum(shares) == pytest.approx(1.0) for shares in load.values())
    trunk.eval()(*tickets(3, 9))
    assert trunk.load() == load


def test_a_gate_that_prefers_its_own_expert_says_so() -> None:
    trunk = extraction(bert(), pooling="cls").train()
    trunk.encoder.eval()
    weight_EH = dict(trunk.named_parameters())["levels.0.gates.urgency.score.weight"]
    hard = HardSharing(trunk.encoder, NAMES, "cls")
    mean_H = said(hard, *tickets(1, 5))["urgency"][0]
    weight_EH.data.zero_()
    weight_EH.data[0] = 10 * mean_H / mean_H.norm() ** 2
    trunk(*tickets(1, 5))
    np.testing.assert_allclose(trunk.load()["urgency"], softmax([10, 0, 0]), atol=1e-5)


@EVERY_LEVEL
@EVERY_ENCODER
def test_batched_equals_alone(encoder: Encoder, levels: int) -> None:
    check_batched_equals_alone(extraction(encoder(0), levels))


@EVERY_LEVEL
def test_kept_tasks_answer_as_before(levels: int) -> None:
    trunk = extraction(bert(), levels)
    check_kept_tasks_answer_as_before(trunk)
    assert trunk.passes == 1.0


@EVERY_LEVEL
def test_it_is_saved_and_read_back(levels: int, tmp_path: Path) -> None:
    check_saved_and_read_back(lambda seed: extraction(bert(seed), levels), tmp_path / "saved")


@EVERY_LEVEL
def test_it_has_as_many_parameters_as_the_formula_says(levels: int) -> None:
    trunk = extraction(bert(), levels, shared=3, own=2, expert=7)
    tuned = {id(one) for one in trunk.encoder_parameters()}
    counted = sum(one.numel() for one in trunk.parameters() if id(one) not in tuned)
    expert = 2 * WIDTH * 7 + 7 + WIDTH
    per_level = (3 + 3 * 2) * expert + 3 * WIDTH * (3 + 2)
    assert counted == levels * per_level + (levels - 1) * WIDTH * (3 + 3 * 2)


@EVERY_LEVEL
def test_every_loss_depends_on_the_last_shared_parameters(levels: int) -> None:
    check_shared_parameters(extraction(bert(), levels))


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "levels"), [(bert, 1), (distilbert, 3)])
def test_its_graph_says_what_torch_says(encoder: Encoder, levels: int, tmp_path: Path) -> None:
    check_export(extraction(encoder(0), levels), tmp_path / "graph.onnx")
