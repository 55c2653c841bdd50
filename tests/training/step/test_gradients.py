"""A step's gradient does not depend on how its batch is cut, nor on what has no label."""

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.training.step.gradient import gradient_of, gradients, parts, take
from training.balance.gradnorm import GradNorm
from training.config.balance import GRADIENT_METHODS, Method
from training.data.dataset import UNLABELLED
from training.parallel import ALONE, Processes
from training.step.gradients import Wanted
from training.step.passes import cut
from training.step.probe import Probe

METHODS = get_args(Method)


def close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 1e-5) -> bool:
    """Within a tolerance of the largest entry."""
    assert one.keys() == other.keys()
    most = max(float(value.abs().max()) for value in one.values())
    return all(
        float((one[name] - other[name]).abs().max()) <= tolerance * max(most, 1.0) for name in one
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_cut_into_passes_gives_the_same_gradient(
    encoder: Path, desk: Path, tmp_path: Path, method: str
) -> None:
    whole = gradient_of(encoder, desk, tmp_path, balance=method)
    batch = {"size": 16, "length_window_steps": 3, "accumulate": 3, "budget_tokens": 60}
    assert close(whole, gradient_of(encoder, desk, tmp_path, balance=method, batch=batch))


@pytest.mark.parametrize("method", ["equal", "upgrad", "pcgrad"])
def test_activations_that_are_computed_again_give_the_same_gradient(
    encoder: Path, desk: Path, tmp_path: Path, method: str
) -> None:
    from transformers import PreTrainedModel

    kept = parts(encoder, desk, tmp_path, balance=method)
    again = parts(encoder, desk, tmp_path, balance=method)
    assert isinstance(again.network.trunk.encoder, PreTrainedModel)
    again.network.trunk.encoder.activation_checkpointing_enable()
    assert close(take(kept)[1], take(again)[1], 1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_with_unlabelled_tasks_has_the_gradient_of_the_labelled_ones(
    encoder: Path, desk: Path, tmp_path: Path, method: str
) -> None:
    run = parts(encoder, desk, tmp_path, balance=method)
    positions_B = run.sampler.positions(3)
    run.training.labels_NT[positions_B, 1] = UNLABELLED
    taken, found = take(run)
    assert taken.losses.keys() == {"category"}
    run.network.zero_grad()
    features = run.network.trunk(*_inputs(run, positions_B))
    labels_B = torch.from_numpy(run.training.labels("category")[positions_B])
    weights_C = run.losses.each["category"].weights_C  # type: ignore[attr-defined]  # cross-entropy
    loss = torch.nn.functional.cross_entropy(
        run.network.answer(features)["category"], labels_B, weight=weights_C
    )
    torch.autograd.backward(loss)
    named = run.network.named_parameters()
    expected = {name: one.grad for name, one in named if one.grad is not None}
    # A random weight is what it is; every other method leaves a lone task's gradient alone.
    name = "trunk.encoder.embeddings.LayerNorm.weight"
    factor = float(found[name].norm() / expected[name].norm()) if method == "random" else 1.0
    assert close(found, {name: one * factor for name, one in expected.items()}, 1e-6)


def _inputs(run: Any, positions_B: Any) -> tuple[Tensor, Tensor]:
    batch = run.training.batch(positions_B)
    return batch.ids, batch.mask


def test_equal_weights_are_one_backward_of_the_sum(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    run = parts(encoder, desk, tmp_path, balance="equal")
    taken, found = take(run)
    run.network.zero_grad()
    batch = run.training.batch(run.sampler.positions(3))
    weights = run.losses.weights(run.training, run.sampler.positions(3))
    losses = run.losses.parts(run.network(batch.ids, batch.mask), batch, weights)
    torch.autograd.backward(losses["category"] + losses["urgency"])
    named = run.network.named_parameters()
    assert close(found, {name: one.grad for name, one in named if one.grad is not None}, 1e-6)
    assert taken.losses == pytest.approx(
        {task: float(one.detach()) for task, one in losses.items()}
    )
    assert taken.tokens == int(batch.mask.sum())


def test_comparing_gradients_changes_none(encoder: Path, desk: Path, tmp_path: Path) -> None:
    run = parts(encoder, desk, tmp_path)
    plain = take(run)[1]
    run.network.zero_grad()
    taken, watched = take(run, diagnose=True)
    assert taken.compared is not None
    assert set(taken.compared.cosines) == {"category|urgency"}
    assert all(torch.equal(plain[name], watched[name]) for name in plain)


def test_the_norms_that_a_balance_is_told_do_not_depend_on_the_loss_scale(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    told: list[dict[str, float]] = []
    for scale in (1.0, 1024.0):
        found, balancer = gradients(parts(encoder, desk, tmp_path, balance="gradnorm"))
        assert isinstance(balancer, GradNorm)
        found.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        balancer.probe = lambda norms, *_: told.append(dict(norms))  # type: ignore[method-assign]
        found.take(Wanted(3, np.arange(16)))
    assert told[0] == pytest.approx(told[1], rel=1e-5)


def test_a_scaled_probe_sees_a_gradient_that_half_precision_would_round_to_nothing() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    for scale, expected in ((1.0, 0.0), (2.0**16, 1e-9 * 3**0.5)):
        probe = Probe([weight], ALONE, scale)
        probe.add({"a": (weight.half() * torch.tensor(1e-4).half()).float().sum() * 1e-5 * scale})
        assert probe.norms(["a"])["a"] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("method", ["equal", "upgrad"])
def test_a_resting_encoder_gets_no_gradient(
    encoder: Path, desk: Path, tmp_path: Path, method: str
) -> None:
    run = parts(encoder, desk, tmp_path, balance=method)
    found, _ = gradients(run)
    for parameter in run.network.trunk.encoder_parameters():
        parameter.requires_grad_(False)
    found.take(Wanted(3, run.sampler.positions(3), resting=True))
    reached = {name for name, one in run.network.named_parameters() if one.grad is not None}
    assert reached == {name for name, _ in run.network.named_parameters() if "heads" in name}


def test_passes_hold_every_ticket_once_within_their_budget() -> None:
    lengths_B = np.random.default_rng(0).integers(3, 90, 40)
    found = list(cut(np.arange(40), lengths_B, accumulate=3, budget_tokens=200))
    assert sorted(np.concatenate(found)) == list(range(40))
    assert all(len(part) * lengths_B[part].max() <= 200 for part in found)
    assert [part.tolist() for part in cut(np.array([7]), lengths_B, 1, 1)] == [[7]]
    assert list(cut(np.array([], dtype=np.int64), lengths_B)) == []


def test_the_processes_parts_are_the_whole_batch() -> None:
    places_B = np.arange(11)
    found = [Processes(rank, 4).part(places_B) for rank in range(4)]
    assert sorted(np.concatenate(found)) == places_B.tolist()


@pytest.mark.slow
def test_two_processes_give_the_gradient_of_one(encoder: Path, desk: Path, tmp_path: Path) -> None:
    methods = ["uncertainty", "gradnorm", *sorted(GRADIENT_METHODS)]
    module = ["-m", "tests.training.step.worker", str(encoder), str(desk), str(tmp_path), *methods]
    starter = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    free = ["--standalone", "--log-dir", str(tmp_path / "log")]
    subprocess.run([*starter, *free, *module], check=True, timeout=240, capture_output=True)
    for method in methods:
        found = load_file(tmp_path / f"{method}.safetensors")
        assert close(gradient_of(encoder, desk, tmp_path, balance=method), found), method
