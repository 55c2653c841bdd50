"""The ordinal log-loss against its formula, and where rounding would break it."""

import math

import pytest
import torch

from tests.training.loss.cuts import some, step_loss
from training.data.dataset import UNLABELLED
from training.loss.loss import Targets
from training.loss.ordinal_log_loss import OrdinalLogLoss, log_complement


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_it_is_the_formula_of_the_paper(classes: int, power: float) -> None:
    logits_BC, labels_B, _ = some(classes)
    shares_BC = torch.softmax(logits_BC.double(), dim=1).tolist()
    paid = [
        -sum(abs(c - label) ** power * math.log(1.0 - share) for c, share in enumerate(shares_C))
        for shares_C, label in zip(shares_BC, labels_B.tolist(), strict=True)
        if label != UNLABELLED
    ]
    found = step_loss(OrdinalLogLoss(torch.ones(classes), power), logits_BC, Targets(labels_B))
    assert float(found) == pytest.approx(sum(paid) / len(paid), rel=1e-4)


def test_a_far_miss_costs_more_than_a_near_one() -> None:
    loss = OrdinalLogLoss(torch.ones(4))
    said_BC = 5.0 * torch.eye(4)
    costs = [float(loss.total(said_BC[c : c + 1], Targets(torch.tensor([0])))) for c in range(4)]
    assert costs == sorted(costs)
    assert costs[3] > 2.0 * costs[1]


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_certainty_gives_finite_losses_and_gradients(scale: float) -> None:
    logits_BC = (scale * torch.eye(4)).requires_grad_()
    total = OrdinalLogLoss(torch.ones(4)).total(logits_BC, Targets(torch.tensor([3, 1, 0, 2])))
    total.backward()
    assert math.isfinite(float(total.detach()))
    assert logits_BC.grad is not None
    assert bool(torch.isfinite(logits_BC.grad).all())


def test_the_gradient_is_that_of_double_precision() -> None:
    logits_BC, labels_B, _ = some(5)
    ones_C = torch.ones(5)

    def in_double(asked_BC: torch.Tensor) -> torch.Tensor:
        return (OrdinalLogLoss(ones_C)._distances_CC[labels_B.clamp(min=0)].double()).mul(
            log_complement(asked_BC)
        )[labels_B != UNLABELLED]

    assert torch.autograd.gradcheck(in_double, (logits_BC.double().requires_grad_(),))


def test_the_complement_keeps_its_digits_where_one_class_has_nearly_all() -> None:
    logits_BC = torch.tensor([[20.0, 0.0, 0.0], [50.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    wide_BC = logits_BC.double()
    found_BC = log_complement(logits_BC)
    for row, top in ((0, 20.0), (1, 50.0)):
        expected = math.log(2.0) - math.log(math.exp(top) + 2.0)
        assert float(found_BC[row, 0]) == pytest.approx(expected, rel=1e-6)
    expected_BC = torch.log1p(-torch.softmax(wide_BC, dim=1))
    torch.testing.assert_close(found_BC[2], expected_BC[2].float())
