"""The measures of a report against scikit-learn's and what a simulated model must show."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, log_loss

from service.contract.tasks import Task
from tests.training.calibration.simulated import QUEUE, URGENCY, simulate, softmax
from training.calibration.measures import macro_f1, measures

ALWAYS = {
    "n",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "macro_f1",
    "macro_f1_low",
    "macro_f1_high",
    "nll",
    "brier",
    "ece",
    "ece_debiased",
    "ece_low",
    "ece_high",
    "ece_p",
    "ece_classwise",
    "aurc",
    "accuracy_at_80",
    "accuracy_at_90",
    "accuracy_at_95",
}
ORDINAL = {"qwk", "alarm_recall", "alarm_far", "alarm_n"}


def test_a_calibrated_model_measures_as_one() -> None:
    simulated = simulate(2000, seed=1)
    found = measures(QUEUE, simulated.probabilities, simulated.labels)
    assert set(found) == ALWAYS
    assert found["n"] == 2000
    assert found["accuracy"] == pytest.approx(simulated.right.mean())
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    assert found["nll"] == pytest.approx(log_loss(simulated.labels, simulated.probabilities))
    assert found["ece_p"] > 0.05
    assert found["ece_debiased"] <= found["ece"] < 0.04
    assert found["ece_low"] <= found["ece_debiased"] <= found["ece_high"]
    assert (
        found["accuracy"]
        < found["accuracy_at_95"]
        < found["accuracy_at_90"]
        < found["accuracy_at_80"]
    )
    assert found["aurc"] < 1.0 - found["accuracy"]


def test_without_resamples_intervals_and_p_are_left_out_and_all_else_stays() -> None:
    simulated = simulate(300, seed=1)
    found = measures(QUEUE, simulated.probabilities, simulated.labels)
    cheap = measures(QUEUE, simulated.probabilities, simulated.labels, resamples=0)
    dear = {"macro_f1_low", "macro_f1_high", "ece_low", "ece_high", "ece_p"}
    assert found.keys() - cheap.keys() == dear
    assert cheap == {name: found[name] for name in cheap}


def test_an_overconfident_model_is_told() -> None:
    simulated = simulate(2000, seed=2)
    calm = measures(QUEUE, simulated.probabilities, simulated.labels)
    sure = measures(QUEUE, softmax(simulated.logits * 3.0), simulated.labels)
    assert sure["accuracy"] == calm["accuracy"]
    assert sure["nll"] > calm["nll"]
    assert sure["brier"] > calm["brier"]
    assert sure["ece_p"] < 0.01
    assert sure["ece_low"] > 0.05
    assert sure["ece_classwise"] > 2 * calm["ece_classwise"]


def test_an_ordinal_task_tells_what_became_of_its_first_label() -> None:
    simulated = simulate(800, classes=4, seed=3)
    found = measures(URGENCY, simulated.probabilities, simulated.labels)
    assert set(found) == ALWAYS | ORDINAL
    kappa = cohen_kappa_score(simulated.labels, simulated.given, weights="quadratic")
    assert found["qwk"] == pytest.approx(kappa)
    first = simulated.given[simulated.labels == 0]
    assert found["alarm_n"] == len(first)
    assert found["alarm_recall"] == pytest.approx((first == 0).mean())
    assert found["alarm_far"] == pytest.approx((first >= 2).mean())


def test_without_a_ticket_of_the_first_label_its_shares_are_left_out() -> None:
    simulated = simulate(100, classes=4, seed=4)
    found = measures(URGENCY, simulated.probabilities, np.maximum(simulated.labels, 1))
    assert set(found) == (ALWAYS | ORDINAL) - {"alarm_recall", "alarm_far"}
    assert found["alarm_n"] == 0.0


def test_unlabelled_tickets_do_not_count() -> None:
    task = Task(name="urgency", labels=("P0", "P1", "P2"), kind="ordinal")
    probabilities = softmax(np.eye(3)[[0, 1, 2, 0]] * 9.0)
    found = measures(task, probabilities, np.array([0, 1, 2, -100]))
    assert found["n"] == 3
    assert found["accuracy"] == found["macro_f1"] == found["qwk"] == 1.0
    assert measures(task, probabilities, np.full(4, -100)) == {"n": 0.0}


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_scikit_learns(seed: int) -> None:
    chance = np.random.default_rng(seed)
    truth, given = chance.integers(6, size=(2, 40))
    truth[truth == 3] = 2
    expected = f1_score(truth, given, average="macro", zero_division=0.0)
    assert macro_f1(truth, given) == pytest.approx(expected)


def test_the_interval_of_macro_f1_is_that_of_tickets_drawn_one_by_one() -> None:
    simulated = simulate(200, seed=5)
    found = measures(QUEUE, simulated.probabilities, simulated.labels)
    picks = np.random.default_rng(2).integers(0, 200, (1000, 200))
    drawn = [macro_f1(simulated.labels[at], simulated.given[at]) for at in picks]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found["macro_f1_low"] == pytest.approx(low, abs=0.015)
    assert found["macro_f1_high"] == pytest.approx(high, abs=0.015)
    assert found["macro_f1_low"] < found["macro_f1"] < found["macro_f1_high"]


def test_every_measure_is_a_finite_number() -> None:
    sure = np.eye(3)[[0, 1, 2, 0]]
    found = measures(QUEUE, sure, np.array([0, 1, 0, 2]))
    assert np.isfinite(list(found.values())).all()
    assert all(type(value) is float for value in found.values())
