"""Dynamic weight averaging against torchjd's, and where an epoch lacks a task."""

import math

import pytest
import torch
from torchjd.scalarization import DWA

from training.balance.dwa import DynamicWeightAverage

TASKS = ("a", "b", "c")
EPOCHS = [(1.5, 1.2, 0.9), (1.1, 1.15, 0.6), (0.7, 1.16, 0.59), (0.65, 0.9, 0.1)]


def test_every_epochs_weights_are_torchjds() -> None:
    balancer, reference = DynamicWeightAverage(TASKS, temperature=2.0), DWA(temperature=2.0)
    for epoch in EPOCHS:
        losses_T = torch.tensor(epoch)
        expected = float(reference(losses_T))
        found = float(balancer(dict(zip(TASKS, losses_T, strict=True)), 0))
        assert found == pytest.approx(expected, rel=1e-6)
        reference.step()
        balancer.end_epoch(dict(zip(TASKS, epoch, strict=True)))


def test_weights_wait_for_two_epochs_and_then_favour_the_slow() -> None:
    balancer = DynamicWeightAverage(TASKS, temperature=1.0)
    balancer.end_epoch({"a": 1.0, "b": 1.0, "c": 1.0})
    assert balancer.weights() == {"a": 1.0, "b": 1.0, "c": 1.0}
    balancer.end_epoch({"a": 0.5, "b": 0.9, "c": 1.2})
    weights = balancer.weights()
    assert weights["a"] < weights["b"] < weights["c"]
    assert sum(weights.values()) == pytest.approx(3.0)
    assert weights["c"] / weights["a"] == pytest.approx(math.exp(1.2 - 0.5), rel=1e-5)


def test_a_higher_temperature_evens_the_weights() -> None:
    spreads = []
    for temperature in (0.5, 2.0, 50.0):
        balancer = DynamicWeightAverage(TASKS, temperature)
        balancer.end_epoch({"a": 1.0, "b": 1.0, "c": 1.0})
        balancer.end_epoch({"a": 0.5, "b": 0.9, "c": 1.2})
        spreads.append(max(balancer.weights().values()) - min(balancer.weights().values()))
    assert spreads == sorted(spreads, reverse=True)


def test_a_task_without_a_loss_keeps_weight_one_and_the_others_share_the_rest() -> None:
    balancer = DynamicWeightAverage(TASKS, temperature=2.0)
    balancer.end_epoch({"a": 1.0, "c": 1.0})
    balancer.end_epoch({"a": 0.5, "c": 0.9, "b": 3.0})
    weights = balancer.weights()
    assert weights["b"] == 1.0
    assert weights["a"] + weights["c"] == pytest.approx(2.0)


def test_an_epoch_without_a_tasks_loss_leaves_its_last_two() -> None:
    balancer = DynamicWeightAverage(("a", "b"), temperature=2.0)
    balancer.end_epoch({"a": 1.0, "b": 1.0})
    balancer.end_epoch({"a": 0.5, "b": 0.9})
    before = balancer.weights()
    balancer.end_epoch({})
    assert balancer.weights() == before


@pytest.mark.parametrize("odd", [0.0, math.nan, math.inf])
def test_a_loss_that_gives_no_ratio_leaves_every_weight_finite(odd: float) -> None:
    balancer = DynamicWeightAverage(TASKS, temperature=2.0)
    for losses in ({"a": odd, "b": 1.0, "c": 1.0}, {"a": 1.0, "b": 0.5, "c": 0.6}):
        balancer.end_epoch(losses)
    assert balancer.weights()["a"] == 1.0
    assert sum(balancer.weights().values()) == pytest.approx(3.0)
