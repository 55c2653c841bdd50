"""Gradients between tasks, against torchjd's own way of taking them."""

import math

import pytest
import torch
from torch import Tensor, nn
from torchjd.autojac import jac

from training.diagnostics.cosine import Gradients, comparable, compare_gradients, layer_of


class Stack(nn.Module):
    """Two shared layers, a table, a layer that only a and b read, and a head a task."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 6)
        self.layer = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
        self.side = nn.Linear(6, 6)
        self.heads = nn.ModuleDict({task: nn.Linear(6, 1) for task in "abc"})

    def losses(self, ids_B: Tensor) -> dict[str, Tensor]:
        hidden_BH = self.table(ids_B)
        for layer in self.layer:
            hidden_BH = torch.tanh(layer(hidden_BH))
        read = {"a": self.side(hidden_BH), "b": hidden_BH + self.side(hidden_BH), "c": hidden_BH}
        return {task: self.heads[task](some_BH).square().mean() for task, some_BH in read.items()}


@pytest.fixture
def stack() -> Stack:
    torch.manual_seed(3)
    return Stack()


@pytest.fixture
def losses(stack: Stack) -> dict[str, Tensor]:
    return stack.losses(torch.arange(7))


def rows(losses: list[Tensor], parameters: list[nn.Parameter]) -> Tensor:
    """torchjd's Jacobian, a row a loss."""
    parts = jac(losses, parameters, retain_graph=True)
    return torch.cat([part.flatten(start_dim=1) for part in parts], dim=1)


def test_cosines_and_norms_are_those_of_torchjds_jacobian(
    stack: Stack, losses: dict[str, Tensor]
) -> None:
    found = compare_gradients(losses, comparable(stack))
    both, all_three = [*stack.layer.parameters(), *stack.side.parameters()], stack.layer
    ab_2P = rows([losses["a"], losses["b"]], both)
    abc_3P = rows(list(losses.values()), list(all_three.parameters()))
    cosine = torch.cosine_similarity
    assert found.cosines == pytest.approx(
        {
            "a|b": float(cosine(ab_2P[0], ab_2P[1], dim=0)),
            "a|c": float(cosine(abc_3P[0], abc_3P[2], dim=0)),
            "b|c": float(cosine(abc_3P[1], abc_3P[2], dim=0)),
        },
        abs=1e-6,
    )
    norms = [float(ab_2P[0].norm()), float(ab_2P[1].norm()), float(abc_3P[2].norm())]
    assert found.norms == pytest.approx(dict(zip("abc", norms, strict=True)), rel=1e-5)


def test_what_one_task_has_for_itself_counts_in_no_figure() -> None:
    shared, own = nn.Parameter(torch.tensor([1.0, 0.0])), nn.Parameter(torch.tensor([5.0, 5.0]))
    a, b = shared[0] * 3.0, shared.sum() + 100.0 * own.sum()
    found = compare_gradients({"a": a, "b": b}, {"own": own, "shared": shared})
    assert found.cosines == pytest.approx({"a|b": 1 / math.sqrt(2)})
    assert found.norms == pytest.approx({"a": 3.0, "b": math.sqrt(2)})


def test_a_loss_has_cosine_1_with_itself_and_minus_1_with_its_opposite(
    stack: Stack, losses: dict[str, Tensor]
) -> None:
    loss = losses["a"]
    found = compare_gradients({"a": loss, "same": 2.0 * loss, "opposite": -loss}, comparable(stack))
    assert found.cosines == pytest.approx({"a|same": 1, "a|opposite": -1, "same|opposite": -1})
    assert found.norms["same"] == pytest.approx(2 * found.norms["a"])


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_the_size_of_a_loss_never_changes_a_cosine(
    stack: Stack, losses: dict[str, Tensor], factor: float
) -> None:
    plain = compare_gradients(losses, comparable(stack))
    scaled = {task: loss * factor for task, loss in losses.items()}
    found = compare_gradients(scaled, comparable(stack), scale=factor)
    assert found.cosines == pytest.approx(plain.cosines, abs=1e-5)
    assert found.norms == pytest.approx(plain.norms, rel=1e-4)


def test_the_gradient_of_a_step_is_left_as_it_would_have_been(
    stack: Stack, losses: dict[str, Tensor]
) -> None:
    compare_gradients(losses, comparable(stack), per_layer=True)
    assert all(one.grad is None for one in stack.parameters())
    torch.stack(list(losses.values())).sum().backward()
    after = [one.grad for one in stack.parameters()]
    again = stack.losses(torch.arange(7))
    plain = torch.autograd.grad(torch.stack(list(again.values())).sum(), list(stack.parameters()))
    assert all(
        left is not None and torch.equal(left, right)
        for left, right in zip(after, plain, strict=True)
    )


def test_each_layer_is_compared_over_its_own_parameters(
    stack: Stack, losses: dict[str, Tensor]
) -> None:
    found = compare_gradients(losses, comparable(stack), per_layer=True)
    assert list(found.layers) == ["layer.0", "layer.1", "side"]
    for place, layer in enumerate(stack.layer):
        alone = compare_gradients(losses, dict(layer.named_parameters()))
        assert found.layers[f"layer.{place}"] == pytest.approx(alone.cosines)
    assert list(found.layers["side"]) == ["a|b"]


def test_tasks_that_share_nothing_have_neither_cosine_nor_norm() -> None:
    own = {task: nn.Parameter(torch.ones(2)) for task in "ab"}
    losses = {task: one.sum() for task, one in own.items()}
    assert compare_gradients(losses, own) == Gradients({}, {}, {})
    assert compare_gradients(losses, {}) == Gradients({}, {}, {})


def test_a_zero_gradient_has_a_norm_and_no_cosine() -> None:
    shared = nn.Parameter(torch.ones(3))
    found = compare_gradients({"a": shared.sum(), "b": 0.0 * shared.sum()}, {"shared": shared})
    assert found == Gradients({}, {"a": pytest.approx(math.sqrt(3)), "b": 0.0}, {})


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_gradient_that_is_not_finite_is_in_no_figure(value: float) -> None:
    shared = nn.Parameter(torch.ones(3))
    losses = {"a": shared.sum(), "b": 2 * shared.sum(), "c": value * shared.sum()}
    found = compare_gradients(losses, {"shared": shared})
    assert set(found.norms) == {"a", "b"}
    assert set(found.cosines) == {"a|b"}


def test_a_gradient_too_small_to_be_squared_in_half_precision_still_has_a_cosine() -> None:
    shared = nn.Parameter(torch.ones(3))
    found = compare_gradients({"a": 1e-9 * shared.sum(), "b": shared.sum()}, {"shared": shared})
    assert found.cosines == pytest.approx({"a|b": 1.0})


def test_a_frozen_network_has_nothing_to_compare(stack: Stack) -> None:
    stack.requires_grad_(requires_grad=False)
    assert comparable(stack) == {}
    assert compare_gradients(stack.losses(torch.arange(7)), comparable(stack)).norms == {}


def test_lookup_tables_are_left_out(stack: Stack) -> None:
    assert "table.weight" not in comparable(stack)
    assert len(comparable(stack)) == len(list(stack.parameters())) - 1


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("encoder.encoder.layer.3.attention.self.query.weight", "layer.3"),
        ("encoder.transformer.layer.0.ffn.lin1.bias", "layer.0"),
        ("encoder.embeddings.LayerNorm.weight", "embeddings"),
        ("levels.0.experts.1.weight", "levels.0.experts.1"),
        ("experts.2.0.weight", "experts.2"),
        ("gate", "gate"),
    ],
)
def test_a_parameters_name_tells_its_layer(name: str, layer: str) -> None:
    assert layer_of(name) == layer
