"""What holds for every gradient method: the same properties, whatever the formula."""

import itertools

import pytest
import torch

from tests.training.balance.rows import METHODS, ORDERLESS, combined, named, random_rows
from training.balance.aggregation import CHUNK, drawing, gramian

CONFLICT_AVERSE = ("mgda", "upgrad", "nashmtl")
"""By their definition the result has no negative inner product with any gradient."""


@pytest.mark.parametrize("method", METHODS)
def test_a_gradient_method_reads_separate_gradients_and_keeps_no_weights(method: str) -> None:
    balancer = named(method)
    assert balancer.separate
    assert not balancer.probes
    assert balancer.weights() == {}
    assert list(balancer.parameters()) == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_equal_gradients_give_a_multiple_of_their_sum(method: str, count: int) -> None:
    row_P = random_rows(1, 50, seed=count)
    result_P = combined(named(method), row_P.expand(count, 50))
    factors_P = result_P / (count * row_P[0])
    assert float(factors_P.min()) > 0.0
    torch.testing.assert_close(factors_P, factors_P[0].expand(50), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("method", METHODS)
def test_a_task_that_asks_nothing_changes_nothing_for_the_others(method: str) -> None:
    rows_TP = random_rows(3, 40, seed=1)
    beside_TP = torch.cat([rows_TP[:1], torch.zeros(1, 40, dtype=torch.float64), rows_TP[1:]])
    balancer = named(method)
    torch.testing.assert_close(combined(balancer, beside_TP), combined(balancer, rows_TP))


@pytest.mark.parametrize("method", METHODS)
def test_zeros_give_zeros_and_a_lone_gradient_gives_itself(method: str) -> None:
    rows_TP = torch.zeros(3, 20)
    assert torch.equal(combined(named(method), rows_TP), torch.zeros(20))
    rows_TP[1] = torch.linspace(-1.0, 1.0, 20)
    assert torch.equal(combined(named(method), rows_TP), rows_TP[1])


@pytest.mark.parametrize("method", ORDERLESS)
def test_the_order_of_the_tasks_changes_nothing(method: str) -> None:
    rows_TP = random_rows(4, 30, seed=2)
    balancer = named(method)
    expected_P = combined(balancer, rows_TP)
    for order in itertools.permutations(range(4)):
        result_P = combined(balancer, rows_TP[list(order)])
        torch.testing.assert_close(result_P, expected_P, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [2.0**-40, 2.0**16])
def test_a_loss_scale_passes_through(method: str, scale: float) -> None:
    rows_TP = random_rows(3, 30, seed=3)
    balancer = named(method)
    scaled_P = combined(balancer, rows_TP * scale) / scale
    torch.testing.assert_close(scaled_P, combined(balancer, rows_TP), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", ["pcgrad", "mgda", "upgrad", "imtl_g", "nashmtl"])
@pytest.mark.parametrize("ratio", [1.0, 30.0, 1000.0])
def test_a_conflicting_pair_is_never_led_against_either(method: str, ratio: float) -> None:
    for seed in range(20):
        rows_TP = random_rows(2, 12, seed)
        rows_TP[1] = ratio * (rows_TP[1] - 2.0 * rows_TP[0])
        assert float(rows_TP[0] @ rows_TP[1]) < 0.0
        result_P = combined(named(method), rows_TP)
        gains_T = rows_TP @ result_P / rows_TP.norm(dim=1)
        assert float(gains_T.min()) >= -1e-5 * float(result_P.norm())


@pytest.mark.parametrize("method", CONFLICT_AVERSE)
@pytest.mark.parametrize("count", [3, 4, 5])
def test_no_task_is_led_against_in_a_crowd(method: str, count: int) -> None:
    for seed in range(20):
        rows_TP = random_rows(count, count + 2, seed)
        result_P = combined(named(method), rows_TP)
        gains_T = rows_TP @ result_P / rows_TP.norm(dim=1)
        assert float(gains_T.min()) >= -1e-4 * float(result_P.norm())


@pytest.mark.parametrize("method", ["mgda", "upgrad", "imtl_g", "cagrad", "nashmtl"])
def test_gradients_that_cancel_move_next_to_nothing(method: str) -> None:
    row_P = random_rows(1, 30, seed=5).float()
    rows_TP = torch.cat([row_P, -row_P])
    assert float(combined(named(method), rows_TP).norm()) < 2e-3 * float(row_P.norm())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_stays_not_finite(method: str, value: float) -> None:
    rows_TP = random_rows(3, 20, seed=6).float()
    rows_TP[1, 4] = value
    assert not bool(torch.isfinite(combined(named(method), rows_TP)).all())


@pytest.mark.parametrize("method", METHODS)
def test_a_result_has_the_rows_type_and_no_graph(method: str) -> None:
    rows_TP = random_rows(3, 20, seed=8).float().requires_grad_()
    result_P = combined(named(method), rows_TP)
    assert (result_P.shape, result_P.dtype) == ((20,), torch.float32)
    assert not result_P.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_a_draw_is_a_function_of_seed_and_step(method: str) -> None:
    rows_TP = random_rows(5, 300, seed=9)
    torch.manual_seed(1)
    first_P = combined(named(method, seed=3), rows_TP, step=11)
    torch.manual_seed(2)
    assert torch.equal(first_P, combined(named(method, seed=3), rows_TP, step=11))


@pytest.mark.parametrize("method", ["pcgrad", "graddrop"])
def test_another_step_or_seed_draws_anew(method: str) -> None:
    rows_TP = random_rows(5, 300, seed=9)
    first_P = combined(named(method, seed=3), rows_TP, step=11)
    assert not torch.equal(first_P, combined(named(method, seed=3), rows_TP, step=12))
    assert not torch.equal(first_P, combined(named(method, seed=4), rows_TP, step=11))


def test_drawing_leaves_the_outer_generator_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    with drawing(seed=1, step=2, device=torch.device("cpu")):
        torch.rand(1000)
    assert torch.equal(torch.rand(4), expected)


def test_inner_products_of_long_gradients_are_those_of_float64() -> None:
    generator = torch.Generator().manual_seed(0)
    rows_TP = torch.randn(2, CHUNK + 5, generator=generator)
    exact_TT = rows_TP.double() @ rows_TP.double().T
    torch.testing.assert_close(gramian(rows_TP), exact_TT, rtol=1e-9, atol=1e-6)
