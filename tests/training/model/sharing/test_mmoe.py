"""A mixture of experts with a gate a task, on the pooled vector.

Shapes: B batch, H width, E experts.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
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
from training.config.sharing import MmoeConfig
from training.model.sharing.hard import HardSharing
from training.model.sharing.mmoe import MixtureOfExperts
from training.model.sharing.trunk import Pooling

EVERY_ENCODER = pytest.mark.parametrize("encoder", [bert, distilbert])


def mixture(encoder: nn.Module, pooling: Pooling = "mean", **changes: Any) -> MixtureOfExperts:
    return MixtureOfExperts(encoder, NAMES, pooling, WIDTH, MmoeConfig(**changes))


def pooled(trunk: MixtureOfExperts, batch: int, length: int) -> NDArray[np.float32]:
    """What the experts read, (B, H)."""
    hard = HardSharing(trunk.encoder, NAMES, trunk.pooling)
    return said(hard, *tickets(batch, length))["type"].numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("expert", [None, 7])
def test_its_features_are_those_of_the_formula(pooling: Pooling, expert: int | None) -> None:
    trunk = mixture(bert(), pooling, experts=3, expert=expert)
    shaken(trunk)
    state = {name: value.numpy() for name, value in trunk.state_dict().items()}
    assert state["experts.0.0.weight"].shape == (expert or WIDTH, WIDTH)
    x_BH = pooled(trunk, 4, 9)
    answers = []
    for place in range(3):
        first, second = f"experts.{place}.0", f"experts.{place}.2"
        inner = np.maximum(x_BH @ state[f"{first}.weight"].T + state[f"{first}.bias"], 0)
        answers.append(inner @ state[f"{second}.weight"].T + state[f"{second}.bias"])
    found = said(trunk, *tickets(4, 9))
    for task, name in zip(NAMES, ("category", "urgency", "TYPE"), strict=True):
        gate_BE = softmax(x_BH @ state[f"gates.{name}.score.weight"].T, axis=1)
        expected_BH = np.einsum("be,ebh->bh", gate_BE, np.stack(answers))
        np.testing.assert_allclose(found[task].numpy(), expected_BH, atol=1e-5)


def test_a_loss_reaches_every_expert_and_its_own_gate() -> None:
    found = reached(mixture(bert()), "urgency")
    assert starting(found, "gates.") == {"gates.urgency.score.weight"}
    assert all(starting(found, f"experts.{place}.") for place in range(4))
    assert starting(found, "encoder.encoder.layer.0.")


def test_the_load_is_each_gate_s_mean_share_in_the_last_training_batch() -> None:
    trunk = mixture(bert(), experts=3)
    shaken(trunk)
    assert trunk.load() == {}
    trunk.train()
    trunk.encoder.eval()  # Without dropout the shares can be computed again.
    for batch in ((5, 7), (4, 9)):
        trunk(*tickets(*batch))
    load = trunk.load()
    weight_EH = trunk.state_dict()["gates.TYPE.score.weight"].numpy()
    expected_E = softmax(pooled(trunk, 4, 9) @ weight_EH.T, axis=1).mean(axis=0)
    assert tuple(load) == NAMES
    np.testing.assert_allclose(load["type"], expected_E, atol=1e-6)
    assert all(sum(shares) == pytest.approx(1.0) for shares in load.values())


def test_an_evaluation_leaves_the_load_alone() -> None:
    trunk = mixture(bert())
    trunk.train()(*tickets(5, 7))
    before = trunk.load()
    trunk.eval()(*tickets(3, 9))
    assert trunk.load() == before


@EVERY_ENCODER
def test_batched_equals_alone(encoder: Encoder) -> None:
    check_batched_equals_alone(mixture(encoder(0)))


def test_kept_tasks_answer_as_before() -> None:
    trunk = mixture(bert())
    check_kept_tasks_answer_as_before(trunk)
    assert trunk.passes == 1.0


def test_it_is_saved_and_read_back(tmp_path: Path) -> None:
    check_saved_and_read_back(lambda seed: mixture(bert(seed)), tmp_path / "saved")


def test_a_load_is_no_part_of_the_state() -> None:
    trunk = mixture(bert())
    before = set(trunk.state_dict())
    trunk.train()(*tickets(5, 7))
    assert set(trunk.state_dict()) == before


def test_experts_and_gates_learn_at_the_heads_rate() -> None:
    trunk = mixture(bert())
    tuned = {id(one) for one in trunk.encoder_parameters()}
    outside = {name for name, one in trunk.named_parameters() if id(one) not in tuned}
    assert outside == starting(outside, "experts.", "gates.")
    assert sum(p.numel() for n, p in trunk.named_parameters() if n in outside) == (
        4 * (2 * WIDTH * WIDTH + 2 * WIDTH) + 3 * WIDTH * 4
    )


def test_every_loss_depends_on_the_last_shared_parameters() -> None:
    check_shared_parameters(mixture(bert()))


def test_experts_start_apart() -> None:
    state = mixture(bert()).state_dict()
    assert not torch.equal(state["experts.0.0.weight"], state["experts.1.0.weight"])


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "expert"), [(bert, None), (distilbert, 7)])
def test_its_graph_says_what_torch_says(
    encoder: Encoder, expert: int | None, tmp_path: Path
) -> None:
    check_export(mixture(encoder(0), expert=expert), tmp_path / "graph.onnx")
