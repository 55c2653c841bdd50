"""IMTL-G against torchjd's and its definition."""

import pytest
import torch
from torchjd.aggregation import IMTLG

from tests.training.balance.rows import combined, named, random_rows


@pytest.mark.parametrize("count", [2, 3, 5])
def test_independent_gradients_are_torchjds(count: int) -> None:
    for seed in range(10):
        rows_TP = random_rows(count, 40, seed)
        rows_TP[0] *= 20.0
        result_P = combined(named("imtl_g"), rows_TP)
        torch.testing.assert_close(result_P, IMTLG()(rows_TP), rtol=1e-4, atol=1e-4)


def test_the_projection_onto_every_gradient_is_the_same() -> None:
    rows_TP = random_rows(4, 20, seed=3)
    rows_TP[1] *= 1e-3
    projections_T = rows_TP @ combined(named("imtl_g"), rows_TP) / rows_TP.norm(dim=1)
    assert float(projections_T.min()) > 0.0
    torch.testing.assert_close(projections_T, projections_T[0].expand(4), rtol=1e-4, atol=0.0)


def test_weights_that_would_point_against_every_task_are_turned() -> None:
    rows_TP = torch.tensor(
        [[1.4, -1.7, -3.8, 1.6], [-1.3, -2.8, -1.2, 1.9], [-0.09, -0.18, -0.22, 0.12]],
        dtype=torch.float64,
    )
    assert float((rows_TP @ IMTLG()(rows_TP)).max()) < 0.0
    gains_T = rows_TP @ combined(named("imtl_g"), rows_TP)
    turned_T = rows_TP @ IMTLG()(rows_TP)
    assert float(gains_T.min()) > 0.0
    torch.testing.assert_close(gains_T, turned_T.abs(), rtol=1e-3, atol=1e-6)
