"""What a graph said is checked before anybody gets it."""

import numpy as np
import pytest

from service.engine.outputs import Outputs
from service.errors import InferenceFailed
from tests.service.engine.sessions import TASK


def _check(probabilities_BC: np.ndarray, scope_B: np.ndarray | None = None) -> None:
    outputs = Outputs({TASK.name: probabilities_BC}, scope_B)
    outputs.check((TASK,), 2, has_scope=scope_B is not None)


def test_finite_values_pass_even_where_their_sum_is_not() -> None:
    _check(np.full((2, 2), 0.5, dtype=np.float32), np.full(2, 3e38, dtype=np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 1])
def test_one_value_that_is_not_finite_fails_the_batch(value: float, row: int) -> None:
    wrong_BC = np.full((2, 2), 0.5, dtype=np.float32)
    wrong_BC[row, 1] = value
    with pytest.raises(InferenceFailed, match="task category has a value that is not finite"):
        _check(wrong_BC)
    wrong_B = np.zeros(2, dtype=np.float32)
    wrong_B[row] = value
    with pytest.raises(InferenceFailed, match="the scope score has a value that is not finite"):
        _check(np.full((2, 2), 0.5, dtype=np.float32), wrong_B)


def test_a_large_batch_is_looked_through_like_a_small_one() -> None:
    probabilities_BC = np.full((300, 2), 0.5, dtype=np.float32)
    outputs = Outputs({TASK.name: probabilities_BC})
    outputs.check((TASK,), 300, has_scope=False)
    probabilities_BC[299, 1] = np.nan
    with pytest.raises(InferenceFailed, match="not finite"):
        outputs.check((TASK,), 300, has_scope=False)


def test_opposite_infinities_do_not_cancel() -> None:
    wrong_BC = np.array([[np.inf, -np.inf], [0.5, 0.5]], dtype=np.float32)
    with pytest.raises(InferenceFailed, match="not finite"):
        _check(wrong_BC)
