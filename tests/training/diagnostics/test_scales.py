import math

import pytest

from training.diagnostics.scales import Scales, scales, scales_of, weighted


def test_a_task_without_a_weight_weighs_one() -> None:
    assert weighted({"a": 2.0, "b": 3.0}, {"b": 0.5}) == {"a": 2.0, "b": 1.5}


def test_a_task_that_was_told_to_learn_nothing_is_left_out() -> None:
    assert weighted({"a": 2.0, "b": 3.0}, {"a": 0.0}) == {"b": 3.0}
    assert scales([weighted({"a": 2.0, "b": 3.0}, {"a": 0.0})] * 3) is None


def test_the_sizes_are_medians_so_that_one_odd_step_accuses_nobody() -> None:
    steps = [{"a": 1.0, "b": 2.0}] * 4 + [{"a": 1.0, "b": 500.0}]
    found = scales(steps)
    assert found == Scales({"a": 1.0, "b": 2.0})
    assert found.balanced


@pytest.mark.parametrize(("factor", "balanced"), [(10.0, True), (10.1, False)])
def test_ten_times_is_the_limit(factor: float, balanced: bool) -> None:
    found = scales([{"a": factor, "b": 1.0, "c": 3.0}] * 3)
    assert found is not None
    assert (found.largest, found.smallest) == ("a", "b")
    assert found.balanced is balanced
    assert f"{factor:.1f} times that of b" in str(found)


def test_a_weight_that_evens_the_norms_out_balances_them() -> None:
    events = [
        {"event": "gradients", "norms": {"a": 100.0, "b": 1.0}, "weights": {"a": 0.02, "b": 1.0}},
        {"event": "epoch"},
    ] * 3
    found = scales_of(events)
    assert found is not None
    assert found.ratio == pytest.approx(2.0)


def test_a_task_without_any_gradient_is_infinitely_smaller() -> None:
    found = scales([{"a": 1.0, "b": 0.0}] * 3)
    assert found is not None
    assert math.isinf(found.ratio)
    assert not found.balanced


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"a": 1.0, "b": 100.0}] * 2,
        [{"a": 1.0}] * 5,
        [{"a": 1.0}] * 5 + [{"b": 100.0}] * 2,
        [{"a": 0.0, "b": 0.0}] * 5,
    ],
)
def test_too_little_says_nothing(steps: list[dict[str, float]]) -> None:
    assert scales(steps) is None
