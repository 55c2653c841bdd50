"""Random weights: their law, and that they depend on seed and step alone."""

import numpy as np
import pytest
import torch
from scipy import stats

from training.balance.random_weights import RandomWeights

TASKS = ("a", "b", "c")


def test_weights_add_up_to_the_number_of_tasks_and_are_one_in_the_mean() -> None:
    balancer = RandomWeights(TASKS, seed=5)
    drawn_NT = np.array([list(balancer.drawn(step).values()) for step in range(4000)])
    np.testing.assert_allclose(drawn_NT.sum(axis=1), 3.0)
    assert float(drawn_NT.min()) > 0.0
    # The standard deviation of a weight is about 0.7, so the error of the mean is 0.011.
    np.testing.assert_allclose(drawn_NT.mean(axis=0), 1.0, atol=0.05)


def test_log_ratios_of_weights_are_differences_of_standard_normals() -> None:
    balancer = RandomWeights(TASKS, seed=6)
    drawn = [balancer.drawn(step) for step in range(2000)]
    ratios = [np.log(weights["a"] / weights["b"]) / 2**0.5 for weights in drawn]
    assert stats.kstest(ratios, "norm").pvalue > 0.001


def test_a_draw_is_a_function_of_seed_and_step() -> None:
    assert RandomWeights(TASKS, 1).drawn(8) == RandomWeights(TASKS, 1).drawn(8)
    assert RandomWeights(TASKS, 1).drawn(8) != RandomWeights(TASKS, 1).drawn(9)
    assert RandomWeights(TASKS, 1).drawn(8) != RandomWeights(TASKS, 2).drawn(8)


def test_a_task_left_out_changes_nothing_for_the_others() -> None:
    balancer = RandomWeights(TASKS, seed=1)
    losses = {task: torch.tensor(1.0 + place) for place, task in enumerate(TASKS)}
    alone = sum(float(balancer({task: loss}, 4)) for task, loss in losses.items())
    assert float(balancer(losses, 4)) == pytest.approx(alone)
