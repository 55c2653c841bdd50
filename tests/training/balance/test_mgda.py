"""MGDA against torchjd's Frank-Wolfe and the closed form for two tasks."""

import pytest
import torch
from torchjd.aggregation import MGDA

from tests.training.balance.rows import combined, named, random_rows


@pytest.mark.parametrize("count", [2, 3, 5])
def test_it_is_never_longer_than_torchjds_and_close_to_it(count: int) -> None:
    reference = MGDA(epsilon=1e-9, max_iters=2000)
    for seed in range(4):
        rows_TP = random_rows(count, 20, seed)
        result_P, expected_P = combined(named("mgda"), rows_TP), reference(rows_TP)
        assert float(result_P.norm()) <= float(expected_P.norm()) * (1.0 + 1e-6)
        torch.testing.assert_close(result_P, expected_P, rtol=0.0, atol=3e-2)


@pytest.mark.parametrize("ratio", [1.0, 50.0])
def test_two_tasks_are_the_closed_form_of_sener_and_koltun(ratio: float) -> None:
    for seed in range(20):
        a_P, b_P = rows_TP = random_rows(2, 5, seed) * torch.tensor([[ratio], [1.0]])
        share = float(torch.clamp((b_P - a_P) @ b_P / ((a_P - b_P) @ (a_P - b_P)), 0.0, 1.0))
        expected_P = share * a_P + (1.0 - share) * b_P
        result_P = combined(named("mgda"), rows_TP)
        torch.testing.assert_close(result_P, expected_P, rtol=1e-4, atol=1e-4)


def test_the_least_gradient_bounds_the_result() -> None:
    rows_TP = random_rows(4, 10, seed=3)
    rows_TP[2] *= 1e-4
    assert float(combined(named("mgda"), rows_TP).norm()) <= float(rows_TP[2].norm()) * (1 + 1e-6)


def test_every_gradient_with_a_weight_gains_the_same() -> None:
    rows_TP = random_rows(4, 30, seed=4)
    gains_T = rows_TP @ combined(named("mgda"), rows_TP)
    torch.testing.assert_close(gains_T, gains_T[0].expand(4), rtol=1e-4, atol=0.0)
