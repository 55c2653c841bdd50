"""PCGrad against the paper's algorithm, written out for vectors and every order."""

import itertools

import torch
from torch import Tensor
from torchjd.aggregation import PCGrad

from tests.training.balance.rows import combined, named, random_rows


def projected(rows_TP: Tensor, place: int, order: tuple[int, ...]) -> Tensor:
    """Lines 4 to 9 of algorithm 1 for one task."""
    row_P = rows_TP[place].clone()
    for other in order:
        product = row_P @ rows_TP[other]
        if product < 0.0:
            row_P = row_P - product / (rows_TP[other] @ rows_TP[other]) * rows_TP[other]
    return row_P


def test_two_tasks_are_torchjds() -> None:
    for seed in range(20):
        rows_TP = random_rows(2, 6, seed)
        torch.testing.assert_close(combined(named("pcgrad"), rows_TP), PCGrad()(rows_TP))


def test_three_tasks_give_every_order_of_the_paper_and_nothing_else() -> None:
    base_TP = random_rows(3, 8, seed=1)
    rows_TP = base_TP - 1.2 * base_TP.mean(dim=0)
    pairs = [[(1, 2), (2, 1)], [(0, 2), (2, 0)], [(0, 1), (1, 0)]]
    expected = [
        torch.stack([projected(rows_TP, place, order) for place, order in enumerate(orders)]).sum(0)
        for orders in itertools.product(*pairs)
    ]
    seen = set()
    for step in range(60):
        result_P = combined(named("pcgrad"), rows_TP, step)
        distances = torch.stack([(result_P - other_P).norm() for other_P in expected])
        assert float(distances.min()) < 1e-9
        seen.add(int(distances.argmin()))
    assert len(seen) == len(expected)


def test_without_a_conflict_it_is_the_sum() -> None:
    rows_TP = random_rows(4, 9, seed=2).abs()
    torch.testing.assert_close(combined(named("pcgrad"), rows_TP), rows_TP.sum(dim=0))
