"""Masked, weighted losses and the balancers: what is unlabelled adds nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.contract.tasks import Task
from service.contract.tokens import Tokens
from training.balance.equal import EqualWeights
from training.balance.uncertainty import LIMIT, UncertaintyWeights
from training.data.dataset import UNLABELLED, Batch, Dataset
from training.errors import GradientError, LossError
from training.loss.cross_entropy import CrossEntropy
from training.losses import Losses, check_finite, check_gradient, class_weights

TASKS = (Task(name="a", labels=("x", "y", "z")), Task(name="b", labels=("u", "v")))


def dataset(labels_NT: list[list[int]]) -> Dataset:
    tokens = tuple(Tokens(np.array([1, 2]), False) for _ in labels_NT)
    ids = tuple(str(number) for number in range(len(labels_NT)))
    return Dataset(ids, tokens, np.array(labels_NT), TASKS, 0)


def parts(
    logits: dict[str, torch.Tensor],
    labels: dict[str, torch.Tensor],
    weights: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """The losses of a step of one pass."""
    table = torch.stack(list(labels.values()), dim=1)
    losses = Losses({task: CrossEntropy(weights[task]) for task in labels}, torch.device("cpu"))
    found = losses.weights(dataset(table.tolist()), np.arange(len(table)))
    empty = torch.zeros(len(table), 1, dtype=torch.int64)
    return losses.parts(logits, Batch(empty, empty, labels), found)


def gradient(labels: dict[str, torch.Tensor], rows: slice) -> torch.Tensor:
    torch.manual_seed(0)
    shared = torch.nn.Linear(4, 4)
    heads = {"a": torch.nn.Linear(4, 3), "b": torch.nn.Linear(4, 2)}
    features = shared(torch.randn(6, 4)[rows])
    logits = {name: layer(features) for name, layer in heads.items()}
    weights = {"a": torch.ones(3), "b": torch.ones(2)}
    losses = parts(logits, {name: label[rows] for name, label in labels.items()}, weights)
    EqualWeights()(losses, 0).backward()
    assert shared.weight.grad is not None
    return shared.weight.grad


def test_unlabelled_tickets_add_exactly_zero_gradient() -> None:
    labels = {
        "a": torch.tensor([0, 1, 2, UNLABELLED, UNLABELLED, UNLABELLED]),
        "b": torch.full((6,), UNLABELLED),
    }
    assert torch.allclose(gradient(labels, slice(0, 6)), gradient(labels, slice(0, 3)), atol=1e-6)


def test_a_task_without_a_label_in_the_batch_is_left_out() -> None:
    labels = {"a": torch.tensor([0, 1]), "b": torch.full((2,), UNLABELLED)}
    logits = {"a": torch.zeros(2, 3), "b": torch.zeros(2, 2)}
    found = parts(logits, labels, {"a": torch.ones(3), "b": torch.ones(2)})
    assert set(found) == {"a"}
    assert float(found["a"]) == pytest.approx(np.log(3))


def test_balanced_weights_follow_inverse_frequency_with_mean_one() -> None:
    data = dataset([[0, 0]] * 6 + [[1, 0]] * 3 + [[UNLABELLED, 1]])
    weights = class_weights(data, "a", 3, "balanced")
    assert float(weights[1] / weights[0]) == pytest.approx(2.0)
    assert float((weights[0] * 6 + weights[1] * 3) / 9) == pytest.approx(1.0)
    assert class_weights(data, "a", 3, "none").tolist()[:2] == [1.0, 1.0]


def test_a_rare_class_does_not_own_the_gradient() -> None:
    data = dataset([[0, 0]] * 5000 + [[1, 0]])
    weights = class_weights(data, "a", 3, "balanced")
    assert float(weights[1]) <= 10.0


def whole(balancer: UncertaintyWeights, losses: dict[str, torch.Tensor], step: int) -> torch.Tensor:
    """What a step's gradient is taken of."""
    penalty = balancer.penalty(tuple(losses), step)
    assert penalty is not None
    return balancer(losses, step) + penalty


def test_learned_weights_wait_for_their_step() -> None:
    balancer = UncertaintyWeights(("a", "b"), equal_steps=10)
    losses = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    assert float(balancer(losses, 9).detach()) == 5.0
    assert balancer.penalty(("a", "b"), 9) is None
    whole(balancer, losses, 10).backward()
    slope = balancer.log_variances["a"].grad
    assert slope is not None
    # d/ds [exp(-s) * 2 + s / 2] at 0: a loss above one half asks for less weight.
    assert float(slope) == pytest.approx(-1.5)


@given(st.floats(-100.0, 100.0), st.floats(0.0, 50.0))
def test_learned_weights_stay_bounded(log_variance: float, loss: float) -> None:
    balancer = UncertaintyWeights(("a",), equal_steps=0)
    balancer.log_variances["a"].data.fill_(log_variance)
    assert np.exp(-LIMIT) - 1e-6 <= balancer.weights()["a"] <= np.exp(LIMIT) + 1e-4
    assert bool(torch.isfinite(balancer({"a": torch.tensor(loss)}, 0)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_its_task(value: float) -> None:
    with pytest.raises(LossError, match=r"task b .* at step 4"):
        check_finite({"a": 1.0, "b": value}, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(GradientError, match="at step 4; the optimiser was not stepped"):
        check_gradient(value, 4)


@pytest.mark.parametrize(("start", "loss"), [(-LIMIT - 1.0, 50.0), (LIMIT + 1.0, 0.0)])
def test_a_learned_weight_beyond_its_limit_finds_the_way_back(start: float, loss: float) -> None:
    balancer = UncertaintyWeights(("a",), equal_steps=0)
    balancer.log_variances["a"].data.fill_(start)
    whole(balancer, {"a": torch.tensor(loss)}, 0).backward()
    slope = balancer.log_variances["a"].grad
    assert slope is not None
    # The step goes against the slope: back towards 0.
    assert float(slope) * start > 0.0


def test_a_class_without_a_ticket_weighs_one() -> None:
    data = dataset([[0, 0]] * 6 + [[1, 0]] * 3)
    assert float(class_weights(data, "a", 3, "balanced")[2]) == 1.0
