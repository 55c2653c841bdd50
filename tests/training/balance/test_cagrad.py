"""CAGrad against a search of its primal problem, which the code never sees."""

import numpy as np
import pytest
import torch

from tests.training.balance.rows import combined, random_rows
from training.balance.cagrad import ConflictAverse


@pytest.mark.parametrize("conflict", [0.2, 0.4, 0.9])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_no_vector_within_the_radius_serves_the_worst_off_task_better(
    conflict: float, count: int
) -> None:
    generator = np.random.default_rng(0)
    compared = 0
    for seed in range(8):
        rows_TP = random_rows(count, 3, seed).numpy()
        mean_P = rows_TP.mean(axis=0)
        radius = conflict * float(np.linalg.norm(mean_P))
        result_P = combined(ConflictAverse(conflict), torch.from_numpy(rows_TP)).numpy()
        if not result_P.any():
            continue  # A mixture of the gradients is zero: no vector serves all of them.
        compared += 1
        assert np.linalg.norm(result_P - mean_P) == pytest.approx(radius, rel=1e-5)
        directions_NP = generator.standard_normal((20_000, 3))
        sizes_N1 = np.linalg.norm(directions_NP, axis=1, keepdims=True)
        others_NP = mean_P + radius * directions_NP / sizes_N1
        best = (others_NP @ rows_TP.T).min(axis=1).max()
        assert float((rows_TP @ result_P).min()) >= best - 1e-5
    assert compared >= 4


def test_orthogonal_gradients_of_unlike_length_are_the_closed_form() -> None:
    # g1 = (2, 0), g2 = (0, 1): the mean (1, 0.5) gives gains 2 and 0.5, and with radius r all of
    # the correction goes to the second task until they are equal, which c = 0.2 does not reach.
    rows_TP = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    radius = 0.2 * 1.25**0.5
    expected_P = torch.tensor([1.0, 0.5 + radius], dtype=torch.float64)
    torch.testing.assert_close(
        combined(ConflictAverse(0.2), rows_TP), expected_P, rtol=1e-6, atol=1e-5
    )


def test_no_conflict_parameter_is_the_mean() -> None:
    rows_TP = random_rows(4, 9, seed=2)
    torch.testing.assert_close(combined(ConflictAverse(0.0), rows_TP), rows_TP.mean(dim=0))


def test_the_mean_loss_descends() -> None:
    for seed in range(20):
        rows_TP = random_rows(4, 6, seed)
        result_P = combined(ConflictAverse(0.4), rows_TP)
        assert float(result_P @ rows_TP.mean(dim=0)) >= 0.0
