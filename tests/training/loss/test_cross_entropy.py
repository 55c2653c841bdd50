"""Cross-entropy against torch's own, and votes as soft labels."""

import pytest
import torch
from torch.nn import functional

from tests.training.loss.cuts import cut_loss, slope, some, step_loss
from training.data.dataset import UNLABELLED
from training.loss.cross_entropy import CrossEntropy
from training.loss.loss import Targets

CLASSES = 5


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_labels_alone_give_the_cross_entropy_of_torch(smoothing: float) -> None:
    logits_BC, labels_B, weights_C = some(CLASSES)
    found = step_loss(CrossEntropy(weights_C, smoothing), logits_BC, Targets(labels_B))
    expected = functional.cross_entropy(
        logits_BC,
        labels_B,
        weight=weights_C,
        ignore_index=UNLABELLED,
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_votes_that_all_agree_are_worth_what_the_label_is(smoothing: float) -> None:
    logits_BC, labels_B, weights_C = some(CLASSES)
    labels_B = labels_B.clamp(min=0)
    loss = CrossEntropy(weights_C, smoothing)
    votes_BC = functional.one_hot(labels_B, CLASSES).float()
    voted = Targets(torch.full_like(labels_B, UNLABELLED), votes_BC)
    expected = step_loss(loss, logits_BC, Targets(labels_B))
    torch.testing.assert_close(step_loss(loss, logits_BC, voted), expected)


def test_votes_without_class_weights_give_torch_s_soft_cross_entropy() -> None:
    logits_BC, _, _ = some(CLASSES)
    votes_BC = torch.softmax(torch.randn(len(logits_BC), CLASSES), dim=1)
    labels_B = votes_BC.argmax(dim=1)
    loss = CrossEntropy(torch.ones(CLASSES), 0.1)
    expected = functional.cross_entropy(logits_BC, votes_BC, label_smoothing=0.1)
    torch.testing.assert_close(step_loss(loss, logits_BC, Targets(labels_B, votes_BC)), expected)


def mixed() -> tuple[torch.Tensor, Targets]:
    """Tickets in turn: neither label nor votes, a label alone, votes alone, votes and a label."""
    logits_BC, labels_B, _ = some(CLASSES, 12)
    votes_BC = torch.softmax(
        torch.randn(12, CLASSES, generator=torch.Generator().manual_seed(3)), 1
    )
    labels_B = labels_B.clamp(min=0)
    labels_B[0::4] = labels_B[2::4] = UNLABELLED
    votes_BC[0::4] = votes_BC[1::4] = 0.0
    return logits_BC, Targets(labels_B, votes_BC)


def test_votes_replace_the_label_of_their_ticket_alone() -> None:
    logits_BC, targets = mixed()
    weights_C = torch.linspace(0.5, 2.0, CLASSES)
    logs_BC = torch.log_softmax(logits_BC, dim=1)
    assert targets.votes_BC is not None
    sums, weights = 0.0, 0.0
    for row in range(12):
        for c in range(CLASSES):
            share = [0.0, float(targets.labels_B[row] == c), *[float(targets.votes_BC[row, c])] * 2]
            weights += share[row % 4] * float(weights_C[c])
            sums -= share[row % 4] * float(weights_C[c] * logs_BC[row, c])
    loss = CrossEntropy(weights_C)
    assert float(loss.total(logits_BC, targets)) == pytest.approx(sums, rel=1e-5)
    assert float(loss.weight(targets)) == pytest.approx(weights, rel=1e-5)


def test_a_tie_of_votes_is_labelled_and_a_ticket_with_neither_adds_zero() -> None:
    logits_BC, targets = mixed()
    assert targets.labelled_B.tolist() == [False, True, True, True] * 3
    gradient_BC = slope(CrossEntropy(torch.ones(CLASSES), 0.1), logits_BC, targets)
    assert gradient_BC[0::4].abs().sum() == 0.0
    assert bool((gradient_BC[2::4].abs().sum(dim=1) > 0.0).all())


def test_a_batch_with_votes_may_be_cut() -> None:
    logits_BC, targets = mixed()
    loss = CrossEntropy(torch.linspace(0.5, 2.0, CLASSES), 0.1)
    found = cut_loss(loss, logits_BC, targets, [1, 5, 2, 4])
    torch.testing.assert_close(found, step_loss(loss, logits_BC, targets))
