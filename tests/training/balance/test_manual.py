"""Stated weights: what is stated, and 1 for the rest."""

import torch

from training.balance.manual import ManualWeights


def test_a_task_weighs_what_is_stated_and_else_one() -> None:
    balancer = ManualWeights(("a", "b", "c"), {"b": 0.25})
    losses = {"a": torch.tensor(2.0), "b": torch.tensor(8.0), "c": torch.tensor(3.0)}
    assert float(balancer(losses, 0)) == 2.0 + 2.0 + 3.0
    assert balancer.weights() == {"a": 1.0, "b": 0.25, "c": 1.0}


def test_a_task_left_out_changes_nothing_for_the_others() -> None:
    balancer = ManualWeights(("a", "b", "c"), {"b": 0.25})
    assert float(balancer({"b": torch.tensor(8.0)}, 0)) == 2.0


def test_a_task_of_weight_zero_gets_no_gradient() -> None:
    balancer = ManualWeights(("a", "b"), {"a": 0.0})
    parameters = torch.ones(2, requires_grad=True)
    balancer({"a": parameters[0] * 3.0, "b": parameters[1] * 5.0}, 0).backward()
    assert parameters.grad is not None
    assert parameters.grad.tolist() == [0.0, 5.0]
