"""Validation curves, planted and simulated, and what is said of them."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from training.diagnostics.transfer import Scores, below_single, fell


def curve(macro_f1: list[float], metrics: list[float] | None = None, n: float = 2000.0) -> Scores:
    scores = Scores()
    for value, metric in zip(macro_f1, metrics or [0.1 * i for i in range(9)], strict=False):
        scores.add(value, n, metric)
    return scores


def test_a_task_that_falls_twice_while_the_run_improves_is_told_of() -> None:
    said = fell("queue", curve([0.70, 0.80, 0.70, 0.69]))
    assert said is not None
    assert "queue fell from a macro-F1 of 0.800 in epoch 1 to 0.690" in said
    assert "from 0.100 to 0.300" in said


@pytest.mark.parametrize(
    ("macro_f1", "metrics"),
    [
        ([0.70, 0.80, 0.70], None),  # One epoch may be an accident.
        ([0.70, 0.80, 0.70, 0.80], None),  # It came back.
        ([0.70, 0.80, 0.79, 0.79], None),  # Noise.
        ([0.70, 0.80, 0.70, 0.69], [0.1, 0.5, 0.4, 0.4]),  # The run fell too.
        ([0.70, 0.71, 0.79, 0.80], None),
        ([0.70], None),
    ],
)
def test_nothing_is_said_of_what_is_no_transfer(
    macro_f1: list[float], metrics: list[float] | None
) -> None:
    assert fell("queue", curve(macro_f1, metrics)) is None


def test_a_small_validation_split_needs_a_deeper_fall() -> None:
    falls = [0.70, 0.80, 0.70, 0.69]
    assert fell("queue", curve(falls, n=2000.0)) is not None
    assert fell("queue", curve(falls, n=60.0)) is None


def test_a_rare_class_makes_the_noise_larger() -> None:
    assert Scores.over([50, 50, 50]).evenness == pytest.approx(1.0)
    assert Scores.over([148, 1, 1]).evenness < 0.1
    assert Scores.over([40, 0, 40]).evenness == pytest.approx(1.0)
    assert Scores.over(None) == Scores.over([]) == Scores()


def test_a_task_that_stopped_below_its_single_task_model_is_told_of() -> None:
    said = below_single("queue", curve([0.70, 0.74, 0.73, 0.72]), 0.85)
    assert said is not None
    assert "0.740 in epoch 1, 0.110 below its single-task model" in said


@pytest.mark.parametrize(
    ("macro_f1", "single"),
    [([0.70, 0.72, 0.73, 0.74], 0.85), ([0.70, 0.74, 0.73], 0.85), ([0.7, 0.74, 0.73, 0.72], 0.75)],
)
def test_a_task_that_still_rises_or_is_near_its_single_task_model_is_not(
    macro_f1: list[float], single: float
) -> None:
    assert below_single("queue", curve(macro_f1), single) is None


@pytest.mark.parametrize("counts", [[60] * 5, [200, 60, 25, 10, 5]])
def test_a_network_that_stays_as_good_is_accused_in_at_most_one_run_of_twenty(
    counts: list[int],
) -> None:
    """Each epoch's answers are drawn apart, which is noisier than one network's epochs are."""
    random = np.random.default_rng(5)
    truth_N = np.repeat(np.arange(len(counts)), counts)
    accused = 0
    for _ in range(60):
        scores = Scores.over(counts)
        for epoch in range(6):
            wrong_N = random.random(len(truth_N)) < 0.25
            given_N = np.where(wrong_N, random.integers(0, len(counts), len(truth_N)), truth_N)
            macro_f1 = float(f1_score(truth_N, given_N, average="macro"))
            scores.add(macro_f1, len(truth_N), 0.1 * epoch)
            if fell("queue", scores) is not None:
                accused += 1
                break
    assert accused <= 3


def test_a_fall_of_ten_points_is_found_in_nearly_every_run() -> None:
    random = np.random.default_rng(6)
    found = 0
    for _ in range(100):
        scores = curve([*random.binomial(1000, [0.75, 0.80, 0.70, 0.70]) / 1000], n=1000.0)
        found += fell("queue", scores) is not None
    assert found >= 95
