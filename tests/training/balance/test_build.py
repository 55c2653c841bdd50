"""Every balancer by its name: what a configuration says reaches it, and a resumed one goes on."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.balance.rows import combined, random_rows
from training.balance.balancer import Balancer
from training.balance.build import build_balancer
from training.balance.cagrad import ConflictAverse
from training.balance.dwa import DynamicWeightAverage
from training.balance.gradnorm import FACTOR, GradNorm
from training.balance.uncertainty import UncertaintyWeights
from training.config import RunConfig
from training.config.balance import GRADIENT_METHODS, Method

TASKS = ("category", "urgency", "queue")
METHODS = get_args(Method)
WEIGHTED = sorted({*METHODS} - GRADIENT_METHODS)


def weights(method: str) -> dict[str, float]:
    """Weights of its own, for the method that takes them."""
    return {"queue": 0.3} if method == "manual" else {}


def built(total_steps: int = 10_000, **balance: object) -> Balancer:
    """The balancer of a configuration with these keys."""
    return build_balancer(RunConfig.model_validate({"balance": balance}), TASKS, total_steps)


def lived(balancer: Balancer, steps: range) -> list[torch.Tensor]:
    """What a balancer says over some steps with losses and gradients that depend on the step."""
    said = []
    for step in steps:
        values_T = random_rows(1, 3, seed=step)[0].abs() + 0.1
        losses = dict(zip(TASKS, values_T, strict=True))
        figures = {task: float(loss) for task, loss in losses.items()}
        if balancer.separate:
            said.append(combined(balancer, random_rows(3, 20, seed=step), step))
        else:
            balancer.probe(figures, figures, step)
            said.append(balancer(losses, step).detach())
        balancer.end_epoch(figures)
    return said


@pytest.mark.parametrize("method", METHODS)
def test_what_reads_separate_gradients_is_what_the_configuration_calls_so(method: str) -> None:
    assert built(method=method).separate == (method in GRADIENT_METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_balancer_goes_on_with_the_same_numbers(method: str, tmp_path: Path) -> None:
    whole = built(method=method, equal_steps=2)
    first = built(method=method, equal_steps=2)
    expected = lived(whole, range(12))
    lived(first, range(6))
    save_file(first.state_dict(), tmp_path / "state.safetensors")
    second = built(method=method, equal_steps=2)
    second.load_state_dict(load_file(tmp_path / "state.safetensors"))
    assert second.weights() == first.weights()
    for resumed, other in zip(lived(second, range(6, 12)), expected[6:], strict=True):
        assert torch.equal(resumed, other)


@pytest.mark.parametrize("method", WEIGHTED)
def test_a_batch_cut_into_passes_gives_the_sum_of_the_whole(method: str) -> None:
    balancer = built(method=method, weights=weights(method), equal_steps=1)
    lived(balancer, range(5))
    losses = {task: torch.tensor(1.0 + place) for place, task in enumerate(TASKS)}
    parts = [{task: loss * share for task, loss in losses.items()} for share in (0.25, 0.75)]
    summed = balancer(parts[0], 9) + balancer(parts[1], 9)
    torch.testing.assert_close(summed, balancer(losses, 9))


@pytest.mark.parametrize("method", WEIGHTED)
def test_a_task_without_a_label_changes_nothing_for_the_others(method: str) -> None:
    balancer = built(method=method, weights=weights(method), equal_steps=1)
    lived(balancer, range(5))
    losses = {task: torch.tensor(1.0 + place) for place, task in enumerate(TASKS)}
    alone = sum(balancer({task: loss}, 9) for task, loss in losses.items())
    torch.testing.assert_close(balancer(losses, 9), alone)


def test_the_configurations_figures_reach_their_balancers() -> None:
    dwa, cagrad = built(method="dwa", temperature=3.0), built(method="cagrad", conflict=0.7)
    gradnorm = built(method="gradnorm", rate=0.02, restoring=0.4, equal_steps=30)
    manual = built(method="manual", weights={"queue": 0.3})
    assert isinstance(dwa, DynamicWeightAverage)
    assert dwa.temperature == 3.0
    assert isinstance(cagrad, ConflictAverse)
    assert cagrad.conflict == 0.7
    assert isinstance(gradnorm, GradNorm)
    assert (gradnorm.rate, gradnorm.restoring) == (pytest.approx(0.02 * FACTOR), 0.4)
    assert gradnorm.equal_steps == 30
    assert manual.weights() == {"category": 1.0, "urgency": 1.0, "queue": pytest.approx(0.3)}


@pytest.mark.parametrize("method", ["uncertainty", "gradnorm"])
def test_a_wait_is_at_most_a_tenth_of_the_run(method: str) -> None:
    balancer = built(total_steps=200, method=method, equal_steps=500)
    assert isinstance(balancer, UncertaintyWeights | GradNorm)
    assert balancer.equal_steps == 20
