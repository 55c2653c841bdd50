"""The measures that a report gives."""

import numpy as np
import pytest

from service.contract.tasks import Task
from tests.training.calibration.simulated import QUEUE, simulate
from training.calibration.fit import calibrated, fit_temperature, temperature_calibration
from training.calibration.measures import measures
from training.data.dataset import UNLABELLED
from training.evaluate import macro_f1, measure


def test_calibration_lowers_the_measured_error() -> None:
    simulated = simulate(2000, classes=5, seed=1)
    logits, labels = simulated.logits * 2.5, simulated.labels
    task = Task(name="queue", labels=tuple("abcde"))
    before = measure(task, logits, labels)
    scaled = calibrated(logits, temperature_calibration(fit_temperature(logits, labels), 5))
    after = measure(task, scaled, labels)
    assert after["ece"] < before["ece"] / 2
    assert after["nll"] < before["nll"]
    assert after["accuracy"] == before["accuracy"]


def test_unlabelled_tickets_do_not_count() -> None:
    task = Task(name="urgency", labels=("P0", "P1", "P2"), kind="ordinal")
    scores = np.eye(3)[[0, 1, 2, 0]] * 9.0
    found = measure(task, scores, np.array([0, 1, 2, UNLABELLED]))
    assert found["n"] == 3
    assert found["accuracy"] == found["macro_f1"] == found["qwk"] == 1.0
    assert measure(task, scores, np.full(4, UNLABELLED)) == {"n": 0.0}


def test_scores_are_measured_by_their_softmax() -> None:
    simulated = simulate(300, classes=3, seed=2)
    found = measure(QUEUE, simulated.logits, simulated.labels)
    assert found == pytest.approx(measures(QUEUE, simulated.probabilities, simulated.labels))


def test_macro_f1_is_the_mean_over_primary_tasks_with_labels() -> None:
    primary = Task(name="a", labels=("x", "y"))
    auxiliary = Task(name="b", labels=("x", "y"), role="auxiliary")
    empty = Task(name="c", labels=("x", "y"))
    measures = {"a": {"n": 5, "macro_f1": 0.5}, "b": {"n": 5, "macro_f1": 1.0}, "c": {"n": 0}}
    assert macro_f1((primary, auxiliary, empty), measures) == 0.5
