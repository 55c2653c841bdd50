"""UPGrad and its projector, against closed forms and another solver."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torchjd.aggregation import UPGrad

from tests.training.balance.rows import combined, named, random_rows
from training.balance.projector import NonNegativeProjector


def test_the_example_of_torchjds_documentation_comes_out() -> None:
    rows_TP = torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])
    # Documented for its quadprog projector, which adds 1e-4 to the normalised inner products.
    expected_P = torch.tensor([0.2929, 1.9004, 1.9004])
    torch.testing.assert_close(combined(named("upgrad"), rows_TP), expected_P, rtol=0.0, atol=2e-2)
    aggregator = UPGrad(projector=NonNegativeProjector())
    torch.testing.assert_close(combined(named("upgrad"), rows_TP), aggregator(rows_TP))


def test_a_conflicting_pair_is_the_mean_of_two_orthogonal_projections() -> None:
    rows_TP = random_rows(2, 7, seed=3)
    rows_TP[1] -= 2.0 * rows_TP[0]
    a_P, b_P = rows_TP
    product = a_P @ b_P
    expected_P = (a_P - product / (b_P @ b_P) * b_P + b_P - product / (a_P @ a_P) * a_P) / 2.0
    torch.testing.assert_close(combined(named("upgrad"), rows_TP), expected_P, rtol=1e-5, atol=1e-5)


def test_without_a_conflict_it_is_the_mean() -> None:
    rows_TP = random_rows(4, 9, seed=2).abs()
    torch.testing.assert_close(combined(named("upgrad"), rows_TP), rows_TP.mean(dim=0))


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_projection_is_the_nearest_point_of_the_cone(count: int) -> None:
    for seed in range(5):
        rows_TP = random_rows(count, count + 1, seed).numpy()
        gramian_TT = torch.from_numpy(rows_TP @ rows_TP.T)
        vector_P = rows_TP[0] - rows_TP[-1]
        given_T = torch.zeros(count, dtype=torch.float64)
        given_T[0], given_T[-1] = 1.0, -1.0
        weights_T = NonNegativeProjector()(given_T, gramian_TT).numpy()
        nearest = minimize(
            lambda point_P, goal_P=vector_P: float(((point_P - goal_P) ** 2).sum()),
            np.zeros(count + 1),
            constraints={"type": "ineq", "fun": lambda point_P, rows_TP=rows_TP: rows_TP @ point_P},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        np.testing.assert_allclose(weights_T @ rows_TP, nearest.x, atol=1e-4)
        assert bool((weights_T >= given_T.numpy() - 1e-12).all())


def test_opposite_gradients_in_a_crowd_keep_their_weights_within_bounds() -> None:
    for seed in range(20):
        rows_TP = random_rows(5, 12, seed).float()
        rows_TP[1] = -rows_TP[0]
        result_P = combined(named("upgrad"), rows_TP)
        gains_T = rows_TP @ result_P / rows_TP.norm(dim=1)
        assert float(gains_T.min()) >= -1e-3 * float(result_P.norm())
        assert float(result_P.norm()) <= float(rows_TP.norm(dim=1).mean()) * (1.0 + 1e-3)


def test_projections_keep_the_shape_and_type_of_what_they_project() -> None:
    rows_TP = random_rows(3, 5, seed=1).float()
    given_NT = torch.eye(3)
    weights_NT = NonNegativeProjector()(given_NT, rows_TP @ rows_TP.T)
    assert (weights_NT.shape, weights_NT.dtype) == (given_NT.shape, given_NT.dtype)
    assert NonNegativeProjector()(given_NT[0], rows_TP @ rows_TP.T).shape == (3,)
