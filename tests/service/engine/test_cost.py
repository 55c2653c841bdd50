"""The cost model learns what it is shown, from any machine's scale, and never predicts nonsense."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from service.engine.cost import CostModel, solve_non_negative

MACHINES = {"cpu": (2e-3, 0.12, 0.3, 0.05), "gpu": (1.5e-3, 1e-3, 2e-3, 0.0)}


def _seconds(machine: str, batch: int, length: int) -> float:
    fixed, token, pair, square = MACHINES[machine]
    span = length / 1000.0
    tokens = batch * span
    return fixed + token * tokens + pair * tokens * span + square * tokens**2


@pytest.mark.parametrize("machine", list(MACHINES))
def test_after_some_hundred_noisy_batches_predictions_are_within_a_quarter(machine: str) -> None:
    random, model = np.random.default_rng(0), CostModel()
    for _ in range(400):
        batch = int(random.integers(1, 33))
        length = int(np.clip(random.lognormal(3.5, 0.75), 4, 256))
        model.update(batch, length, _seconds(machine, batch, length) * random.lognormal(0, 0.2))
    for batch, length in ((1, 16), (1, 256), (4, 64), (8, 256), (32, 32)):
        predicted = float(model.predict_s(batch, length))
        assert predicted == pytest.approx(_seconds(machine, batch, length), rel=0.25)


def test_before_any_data_more_work_costs_more() -> None:
    model = CostModel()
    costs = [float(model.predict_s(batch, length)) for batch, length in ((1, 8), (1, 64), (8, 64))]
    assert costs == sorted(costs)
    assert costs[0] > 0


def test_it_follows_a_machine_that_becomes_three_times_slower() -> None:
    model = CostModel()
    for slowness in (1.0, 3.0):
        for step in range(600):
            batch, length = 1 + step % 8, 16 * (1 + step % 5)
            model.update(batch, length, slowness * _seconds("cpu", batch, length))
    wanted = 3.0 * _seconds("cpu", 4, 48)
    assert float(model.predict_s(4, 48)) == pytest.approx(wanted, rel=0.2)


@given(
    st.lists(
        st.tuples(st.integers(1, 256), st.integers(1, 8192), st.floats(0.0, 100.0)), max_size=20
    )
)
def test_whatever_it_is_shown_it_predicts_a_positive_time_that_grows(
    batches: list[tuple[int, int, float]],
) -> None:
    model = CostModel()
    for batch, length, seconds in batches:
        model.update(batch, length, seconds)
    small, large = float(model.predict_s(1, 8)), float(model.predict_s(32, 512))
    assert 0 < small <= large < np.inf


@given(
    st.lists(
        st.tuples(st.integers(1, 64), st.integers(1, 512), st.floats(1e-4, 10.0)),
        min_size=1,
        max_size=20,
    )
)
def test_the_non_negative_fit_is_as_good_as_scipys(batches: list[tuple[int, int, float]]) -> None:
    rows = [(1.0, b * n / 1e3, b * (n / 1e3) ** 2, (b * n / 1e3) ** 2) for b, n, _ in batches]
    matrix = np.vstack([np.array(rows), 0.1 * np.eye(4)])
    right = np.concatenate([[seconds for _, _, seconds in batches], np.zeros(4)])
    found = solve_non_negative(matrix.T @ matrix, matrix.T @ right)
    assert (found >= 0).all()
    assert np.linalg.norm(matrix @ found - right) == pytest.approx(
        nnls(matrix, right)[1], rel=1e-6, abs=1e-9
    )
