"""Which calibration cross-validation chooses, and that no ticket's own label made its
probability.
"""

import numpy as np
import pytest

from service.statistics.calibration import debiased_calibration_error
from tests.training.calibration.simulated import mislabelled, simulate
from training.calibration.fit import METHODS, SPREADING, fit, probabilities
from training.calibration.selection import _candidates, _losses, _simplest, select, stratified


@pytest.mark.parametrize(
    ("scale", "shift", "method"),
    [
        (np.ones(4), np.zeros(4), "none"),
        (np.full(4, 2.5), np.zeros(4), "temperature"),
        (np.full(4, 2.5), np.array([2.0, 0.0, -2.0, 0.0]), "temperature_bias"),
        (np.array([4.0, 1.0, 0.3, 1.0]), np.zeros(4), "vector"),
    ],
)
def test_the_simplest_method_that_repairs_the_model_is_chosen(
    scale: np.ndarray, shift: np.ndarray, method: str
) -> None:
    simulated = simulate(2000, classes=4, seed=1)
    selected = select(simulated.logits * scale + shift, simulated.labels)
    assert selected.calibration.method == method
    assert set(selected.candidates) == set(METHODS)


def test_the_chosen_method_is_within_one_standard_error_of_the_best() -> None:
    simulated = simulate(600, classes=6, seed=2)
    selected = select(simulated.logits * 1.3, simulated.labels, np.linspace(-1.0, 1.0, 6))
    assert len(selected.candidates) == 2 * len(METHODS)
    best = min(loss for loss, _ in selected.candidates.values())
    loss, error = selected.candidates[selected.calibration.method]
    assert loss - error <= best
    assert min(error for _, error in selected.candidates.values()) == 0.0


def test_random_labels_are_found_and_the_confidences_of_their_tickets_hold() -> None:
    simulated = simulate(3000, classes=5, seed=8, spread=4.0)
    labels, logits = mislabelled(simulated, 0.1, seed=9), simulated.logits * 1.5
    selected = select(logits, labels)
    assert selected.calibration.method == "temperature_spread"
    assert selected.calibration.spread == pytest.approx(0.1, abs=0.03)
    least = min(selected.candidates[one][0] for one in METHODS if one not in SPREADING)
    assert selected.candidates["temperature_spread"][0] < least - 0.02
    without = probabilities(logits, fit("temperature", logits, labels))
    before, after = (
        debiased_calibration_error(one.max(axis=1), one.argmax(axis=1) == labels)
        for one in (without, selected.probabilities_NC)
    )
    assert after < before / 2.0


def test_random_labels_are_found_where_each_class_has_its_own_scale() -> None:
    simulated = simulate(3000, classes=4, seed=1, spread=4.0)
    labels = mislabelled(simulated, 0.1, seed=2)
    logits = simulated.logits * np.array([4.0, 1.0, 0.3, 1.0])
    selected = select(logits, labels)
    assert selected.calibration.method == "vector_spread"
    assert selected.candidates["vector_spread"][0] < selected.candidates["vector"][0] - 0.02


@pytest.mark.parametrize("shift", [0.0, 1.5])
@pytest.mark.parametrize("tickets", [300, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_where_no_label_is_random_no_spread_is_taken(seed: int, tickets: int, shift: float) -> None:
    simulated = simulate(tickets, classes=4, seed=seed)
    logits = simulated.logits * 2.5 + np.array([shift, 0.0, 0.0, -shift])
    calibration = select(logits, simulated.labels).calibration
    assert calibration.method not in SPREADING
    assert calibration.spread == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_what_is_taken_is_never_less_likely_than_without_a_spread(seed: int) -> None:
    simulated = simulate(300, classes=4, seed=seed, spread=4.0)
    labels = mislabelled(simulated, 0.03 * seed, seed=seed)
    logits = simulated.logits + np.array([1.0, 0.0, 0.0, -1.0])
    fold, selected = stratified(labels, 5, seed=0), select(logits, labels)
    plain = _simplest(
        {
            one: _losses(one.cross_fit(logits, labels, fold, 5), labels)
            for one in _candidates(len(labels), None)
            if one.method not in SPREADING
        }
    )
    found = selected.candidates
    assert found[selected.calibration.method][0] <= found[plain.name][0]


def test_of_equally_simple_methods_the_likelier_is_chosen() -> None:
    simulated = simulate(2000, classes=4, seed=3)
    offset = np.array([1.0, -1.0, 0.5, -0.5])
    assert select(simulated.logits - offset, simulated.labels, offset).calibration.method == "prior"
    assert select(simulated.logits, simulated.labels, offset).calibration.method == "none"


def test_a_tickets_own_fold_does_not_make_its_probability() -> None:
    simulated = simulate(400, classes=3, seed=4)
    logits, labels = simulated.logits * 2.0, simulated.labels
    selected = select(logits, labels)
    assert selected.calibration.method == "temperature"
    fold = stratified(labels, 5, seed=0)
    for number in range(5):
        others, own = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        without = fit("temperature", logits[others], labels[others])
        assert np.array_equal(selected.probabilities_NC[own], probabilities(logits[own], without))


@pytest.mark.parametrize(("scale", "method"), [(1.0, "none"), (5.0, "temperature")])
def test_few_tickets_fit_at_most_a_temperature(scale: float, method: str) -> None:
    simulated = simulate(49, seed=5)
    selected = select(simulated.logits * scale, simulated.labels)
    assert selected.calibration.method == method
    assert set(selected.candidates) == {"none", "temperature"}


@pytest.mark.parametrize("tickets", [9, 0])
def test_scarce_tickets_fit_nothing(tickets: int) -> None:
    simulated = simulate(tickets, seed=5)
    selected = select(simulated.logits * 5.0, simulated.labels)
    assert selected.calibration.method == "none"
    assert selected.probabilities_NC.shape == (tickets, 3)
    assert selected.candidates == {}


def test_scarce_tickets_still_get_the_offset() -> None:
    offset = np.array([0.5, -0.25, 0.0])
    selected = select(np.zeros((2, 3)), np.array([0, 1]), offset)
    assert selected.calibration.method == "prior"
    assert selected.probabilities_NC[0, 0] > selected.probabilities_NC[0, 1]


def test_an_offset_of_zeros_is_none() -> None:
    simulated = simulate(200, seed=6)
    assert "prior" not in select(simulated.logits, simulated.labels, np.zeros(3)).candidates


def test_every_label_is_dealt_evenly_to_the_folds() -> None:
    labels = np.repeat([0, 1, 2], [53, 12, 4])
    fold = stratified(labels, 5, seed=1)
    for label in range(3):
        counts = np.bincount(fold[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert not np.array_equal(fold, stratified(labels, 5, seed=2))


def test_a_class_of_one_ticket_breaks_no_fold() -> None:
    simulated = simulate(120, seed=7)
    labels = np.where(np.arange(120) == 5, 2, simulated.labels % 2)
    selected = select(simulated.logits, labels)
    assert np.isfinite(selected.probabilities_NC).all()
    assert selected.probabilities_NC.sum(axis=1) == pytest.approx(np.ones(120))
