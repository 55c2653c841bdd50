"""Nash-MTL against its definition, its closed form for two tasks, and another solver."""

import pytest
import torch
from scipy.optimize import minimize

from tests.training.balance.rows import combined, named, random_rows
from training.balance.nashmtl import BargainedGradient


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_each_tasks_gain_is_the_inverse_of_its_weight(count: int) -> None:
    for seed in range(10):
        rows_TP = random_rows(count, 30, seed)
        rows_TP[0] *= 100.0
        gramian_TT = rows_TP @ rows_TP.T
        weights_T = BargainedGradient().weigh(gramian_TT, 0)
        gains_T = (gramian_TT / torch.linalg.matrix_norm(gramian_TT)) @ weights_T
        assert float(weights_T.min()) > 0.0
        torch.testing.assert_close(gains_T * weights_T, torch.ones_like(gains_T), rtol=1e-4, atol=0)


def test_two_tasks_are_the_closed_form() -> None:
    a_P, b_P = rows_TP = random_rows(2, 6, seed=4)
    aa, ab, bb = float(a_P @ a_P), float(a_P @ b_P), float(b_P @ b_P)
    # From a (aa a + ab b) = 1 = b (ab a + bb b): b = a sqrt(aa / bb).
    first = (aa + ab * (aa / bb) ** 0.5) ** -0.5
    expected_P = first * a_P + first * (aa / bb) ** 0.5 * b_P
    size = float(torch.linalg.matrix_norm(rows_TP @ rows_TP.T))
    result_P = combined(named("nashmtl"), rows_TP)
    torch.testing.assert_close(result_P, expected_P * size**0.5, rtol=1e-4, atol=1e-4)


def test_it_maximises_the_product_of_the_gains_over_directions() -> None:
    rows_TP = random_rows(3, 5, seed=6)
    rows = rows_TP.numpy()
    result = combined(named("nashmtl"), rows_TP).numpy()
    result = result / (result @ result) ** 0.5

    def slack(direction_P: object) -> float:
        return float(-sum(torch.log(torch.from_numpy(rows @ direction_P).clamp_min(1e-9))))

    found = minimize(
        slack,
        result + 0.05,
        constraints={"type": "eq", "fun": lambda direction_P: direction_P @ direction_P - 1.0},
        options={"ftol": 1e-12},
    )
    assert slack(result) <= found.fun + 1e-4


def test_the_length_is_that_of_the_bargain() -> None:
    rows_TP = random_rows(4, 25, seed=7)
    expected = (4.0 * torch.linalg.matrix_norm(rows_TP @ rows_TP.T)).sqrt()
    torch.testing.assert_close(
        combined(named("nashmtl"), rows_TP).norm(), expected, rtol=1e-4, atol=0
    )
