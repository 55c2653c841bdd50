"""GradDrop: signs, their probabilities, and columns beyond one chunk."""

import torch

from tests.training.balance.rows import combined, named, random_rows
from training.balance.graddrop import CHUNK


def test_every_parameter_gets_the_sum_of_one_sign() -> None:
    rows_TP = random_rows(3, 500, seed=1)
    result_P = combined(named("graddrop"), rows_TP)
    ups_P, downs_P = rows_TP.clamp_min(0.0).sum(dim=0), rows_TP.clamp_max(0.0).sum(dim=0)
    is_up_P, is_down_P = (result_P - ups_P).abs() < 1e-12, (result_P - downs_P).abs() < 1e-12
    assert bool((is_up_P | is_down_P).all())
    assert bool((is_up_P & ~is_down_P).any())
    assert bool((is_down_P & ~is_up_P).any())


def test_the_positive_sign_is_kept_as_often_as_the_papers_purity_says() -> None:
    rows_TP = torch.tensor([[3.0], [-1.0]]).expand(2, 2 * CHUNK + 3)
    kept = combined(named("graddrop"), rows_TP) > 0.0
    # (1 + (3 - 1) / (3 + 1)) / 2 = 3/4; the binomial's standard error is 0.0006.
    assert abs(float(kept.double().mean()) - 0.75) < 0.003
    assert not torch.equal(kept[:CHUNK], kept[CHUNK : 2 * CHUNK])


def test_gradients_of_one_sign_are_summed() -> None:
    rows_TP = random_rows(4, 60, seed=2).abs()
    torch.testing.assert_close(combined(named("graddrop"), rows_TP), rows_TP.sum(dim=0))
