"""What every loss keeps: cuts of a batch, missing labels, precision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.loss.cuts import cut_loss, slope, some, step_loss
from training.config import TaskConfig
from training.data.dataset import UNLABELLED
from training.loss.build import build_loss
from training.loss.corn import Corn
from training.loss.cross_entropy import CrossEntropy
from training.loss.loss import Targets, TaskLoss
from training.loss.ordinal_log_loss import OrdinalLogLoss

CLASSES = 4
_, _, WEIGHTS = some(CLASSES)
LOSSES: list[TaskLoss] = [
    CrossEntropy(WEIGHTS, 0.1),
    OrdinalLogLoss(WEIGHTS),
    Corn(WEIGHTS),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)


@every_loss
@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 50))
def test_a_batch_may_be_cut_in_any_way(loss: TaskLoss, cuts: list[int], seed: int) -> None:
    logits_BC, labels_B, _ = some(CLASSES, sum(cuts), seed)
    labels_B[-1] = 2
    targets = Targets(labels_B)
    whole = step_loss(loss, logits_BC, targets)
    torch.testing.assert_close(cut_loss(loss, logits_BC, targets, cuts), whole)


@every_loss
def test_a_ticket_without_a_label_adds_exactly_zero(loss: TaskLoss) -> None:
    logits_BC, labels_B, _ = some(CLASSES)
    kept_B = labels_B != UNLABELLED
    gradient_BC = slope(loss, logits_BC, Targets(labels_B))
    assert gradient_BC[~kept_B].abs().sum() == 0.0
    alone_BC = slope(loss, logits_BC[kept_B], Targets(labels_B[kept_B]))
    torch.testing.assert_close(gradient_BC[kept_B], alone_BC, rtol=0.0, atol=1e-6)


@every_loss
def test_targets_without_a_label_weigh_nothing_and_cost_nothing(loss: TaskLoss) -> None:
    targets = Targets(torch.full((3,), UNLABELLED))
    logits_BC = torch.randn(3, CLASSES, requires_grad=True)
    assert float(loss.weight(targets)) == 0.0
    total = loss.total(logits_BC, targets)
    total.backward()
    assert float(total.detach()) == 0.0
    assert logits_BC.grad is not None
    assert logits_BC.grad.abs().sum() == 0.0


@every_loss
def test_half_precision_logits_are_summed_in_single(loss: TaskLoss) -> None:
    logits_BC, labels_B, _ = some(CLASSES)
    halves_BC = logits_BC.bfloat16()
    found = loss.total(halves_BC, Targets(labels_B))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss.total(halves_BC.float(), Targets(labels_B)))


@every_loss
def test_a_class_of_twice_the_weight_counts_as_two_tickets(loss: TaskLoss) -> None:
    build = type(loss)
    logits_BC = torch.randn(2, CLASSES)
    labels_B = torch.tensor([1, 2])
    heavy = build(torch.tensor([1.0, 2.0, 1.0, 1.0]))  # type: ignore[call-arg]  # each takes weights
    even = build(torch.ones(CLASSES))  # type: ignore[call-arg]  # each takes weights
    twice = step_loss(even, logits_BC[[0, 0, 1]], Targets(labels_B[[0, 0, 1]]))
    torch.testing.assert_close(step_loss(heavy, logits_BC, Targets(labels_B)), twice)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("cross_entropy", CrossEntropy), ("ordinal_log_loss", OrdinalLogLoss), ("corn", Corn)],
)
def test_the_configuration_names_the_loss(name: str, kind: type[TaskLoss]) -> None:
    task = TaskConfig.model_validate({"loss": name, "kind": "ordinal"})
    assert type(build_loss(task, WEIGHTS)) is kind


def test_label_smoothing_reaches_the_loss() -> None:
    logits_BC, labels_B, _ = some(CLASSES)
    smoothed = build_loss(TaskConfig(label_smoothing=0.3), WEIGHTS)
    expected = CrossEntropy(WEIGHTS, 0.3).total(logits_BC, Targets(labels_B))
    assert torch.equal(smoothed.total(logits_BC, Targets(labels_B)), expected)
