"""GradNorm against autograd on the paper's own objective, and what it is for."""

import math

import pytest
import torch
from torch import Tensor

from training.balance.gradnorm import FACTOR, GradNorm

TASKS = ("a", "b", "c")


def toy(seed: int) -> tuple[Tensor, dict[str, Tensor]]:
    """A shared layer and the losses of three tasks on it."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(4, 5, generator=generator, dtype=torch.float64).requires_grad_()
    inputs = torch.randn(8, 5, generator=generator, dtype=torch.float64)
    losses = {}
    for place, task in enumerate(TASKS):
        head = torch.randn(4, generator=generator, dtype=torch.float64) * 3.0**place
        losses[task] = (torch.tanh(inputs @ shared.T) @ head - place).pow(2).mean()
    return shared, losses


def values(losses: dict[str, Tensor]) -> dict[str, float]:
    """The same as plain numbers."""
    return {task: float(loss.detach()) for task, loss in losses.items()}


def norms_of(shared: Tensor, losses: dict[str, Tensor]) -> dict[str, float]:
    """What the loop measures."""
    return {
        task: float(torch.autograd.grad(loss, shared, retain_graph=True)[0].norm())
        for task, loss in losses.items()
    }


def objective(
    logs_T: Tensor, shared: Tensor, losses: dict[str, Tensor], rates_T: Tensor, restoring: float
) -> Tensor:
    """Chen et al.'s L_grad, over the mean norm; both count as constants as in the paper."""
    norms_T = torch.stack(
        [
            torch.autograd.grad(
                torch.exp(log) * loss, shared, create_graph=True, retain_graph=True
            )[0].norm()
            for log, loss in zip(logs_T, losses.values(), strict=True)
        ]
    )
    mean = norms_T.mean().detach()
    goals_T = mean * (rates_T / rates_T.mean()) ** restoring
    return (norms_T - goals_T).abs().sum() / mean


def test_a_step_descends_on_the_papers_objective() -> None:
    balancer = GradNorm(TASKS, rate=1e-3, restoring=1.5, equal_steps=0)
    shared, firsts = toy(seed=0)
    balancer.probe(norms_of(shared, firsts), values(firsts), 0)
    shared, losses = toy(seed=1)
    before_T = balancer.weights_T.double()
    rates_T = torch.stack([losses[task] / firsts[task] for task in TASKS]).detach()
    logs_T = before_T.log().requires_grad_()
    norms = norms_of(shared, losses)
    (slopes_T,) = torch.autograd.grad(objective(logs_T, shared, losses, rates_T, 1.5), logs_T)
    stepped_T = torch.exp(logs_T.detach() - 1e-3 * FACTOR * slopes_T)
    balancer.probe(norms, values(losses), 1)
    expected_T = 3.0 * stepped_T / stepped_T.sum()
    torch.testing.assert_close(balancer.weights_T.double(), expected_T, rtol=1e-5, atol=0.0)


def test_weighted_norms_of_tasks_that_learn_alike_become_alike() -> None:
    balancer = GradNorm(TASKS, rate=3e-3, restoring=1.5, equal_steps=0)
    norms = {"a": 10.0, "b": 1.0, "c": 0.1}
    for step in range(600):
        balancer.probe(norms, {"a": 1.0, "b": 1.0, "c": 1.0}, step)
    weighted = [norms[task] * weight for task, weight in balancer.weights().items()]
    assert max(weighted) / min(weighted) < 1.1
    assert sum(balancer.weights().values()) == pytest.approx(3.0, rel=1e-4)


def test_the_task_that_learns_slowly_gains_weight_and_more_so_with_restoring() -> None:
    ratios = []
    for restoring in (0.0, 0.5, 1.5):
        balancer = GradNorm(("fast", "slow"), rate=3e-3, restoring=restoring, equal_steps=0)
        balancer.probe({"fast": 1.0, "slow": 1.0}, {"fast": 1.0, "slow": 1.0}, 0)
        for step in range(1, 300):
            balancer.probe({"fast": 1.0, "slow": 1.0}, {"fast": 0.4, "slow": 0.8}, step)
        ratios.append(balancer.weights()["slow"] / balancer.weights()["fast"])
    assert ratios[0] == pytest.approx(1.0, abs=0.05)
    assert ratios[1] == pytest.approx(2.0**0.5, rel=0.05)
    # The goals of a power above 1 do not add up to the total, so no weights meet both.
    assert ratios[2] == pytest.approx(2.0**1.5, rel=0.25)


def test_a_scale_of_all_losses_changes_no_weight() -> None:
    found = []
    for scale in (1.0, 2.0**16):
        balancer = GradNorm(TASKS, rate=1e-3, restoring=1.5, equal_steps=0)
        for step in range(50):
            norms = {"a": 3.0 * scale, "b": scale, "c": 0.5 * scale}
            losses = {"a": scale, "b": scale * (1.0 - step / 100.0), "c": 2.0 * scale}
            balancer.probe(norms, losses, step)
        found.append(balancer.weights())
    assert found[0] == found[1]


def test_a_task_without_a_label_keeps_its_weight_and_the_total_stays() -> None:
    balancer = GradNorm(TASKS, rate=1e-2, restoring=1.5, equal_steps=0)
    for step in range(10):
        balancer.probe({"a": 5.0, "c": 1.0}, {"a": 1.0, "c": 1.0}, step)
    weights = balancer.weights()
    assert weights["b"] == 1.0
    assert weights["a"] < 1.0 < weights["c"]
    assert sum(weights.values()) == pytest.approx(3.0, rel=1e-5)


def test_weights_wait_but_the_first_losses_do_not() -> None:
    balancer = GradNorm(("a", "b"), rate=1e-3, restoring=1.0, equal_steps=5)
    for step in range(5):
        balancer.probe({"a": 9.0, "b": 1.0}, {"a": 2.0 / (step + 1), "b": 3.0}, step)
    assert balancer.weights() == {"a": 1.0, "b": 1.0}
    assert balancer.firsts_T.tolist() == [2.0, 3.0]
    balancer.probe({"a": 9.0, "b": 1.0}, {"a": 0.1, "b": 3.0}, 5)
    assert balancer.weights()["a"] < 1.0


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_figures_that_are_not_finite_are_passed_over(odd: float) -> None:
    balancer = GradNorm(("a", "b"), rate=1e-3, restoring=1.0, equal_steps=0)
    balancer.probe({"a": odd, "b": 1.0}, {"a": 1.0, "b": 1.0}, 0)
    balancer.probe({"a": 1.0, "b": 1.0}, {"a": odd, "b": 1.0}, 1)
    assert balancer.weights() == {"a": 1.0, "b": 1.0}
    assert balancer.firsts_T.isnan().all()


@pytest.mark.parametrize("norms", [{"a": 0.0, "b": 0.0}, {"a": 0.0, "b": 1.0}, {"a": 1.0}, {}])
def test_zeros_and_lone_tasks_leave_finite_positive_weights(norms: dict[str, float]) -> None:
    balancer = GradNorm(("a", "b"), rate=1e-3, restoring=1.5, equal_steps=0)
    for step in range(20):
        balancer.probe(norms, dict.fromkeys(norms, 0.0), step)
        balancer.probe(norms, dict.fromkeys(norms, 1.0), step)
    assert all(0.0 < weight < 2.0 for weight in balancer.weights().values())
    assert sum(balancer.weights().values()) == pytest.approx(2.0, rel=1e-5)
