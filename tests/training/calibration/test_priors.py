"""Priors that training or time has shifted are put right."""

import numpy as np
import pytest

from service.statistics.calibration import classwise_calibration_error
from service.statistics.scores import negative_log_likelihood
from tests.training.calibration.simulated import Simulated, mislabelled, simulate
from training.calibration.fit import fit, probabilities
from training.calibration.priors import SPARED, _most, label_shares, offset, saerens, thin
from training.calibration.selection import select

RARE = np.array([0.9, 0.07, 0.03])


@pytest.fixture(scope="module")
def imbalanced() -> Simulated:
    return simulate(6000, seed=1, spread=1.5, prior=RARE)


def test_balanced_training_shifts_the_priors_and_the_offset_repairs_them(
    imbalanced: Simulated,
) -> None:
    shares = np.bincount(imbalanced.labels) / len(imbalanced)
    weights = 1.0 / shares / 3.0
    # What weighted cross-entropy is least at: probability times weight.
    trained = imbalanced.logits + np.log(weights)
    before = probabilities(trained, fit("none", trained, imbalanced.labels))
    after = probabilities(trained, fit("none", trained, imbalanced.labels, offset(weights)))
    labels = imbalanced.labels
    assert negative_log_likelihood(before, labels) > 1.5 * negative_log_likelihood(after, labels)
    assert classwise_calibration_error(before, labels) > 0.1
    assert classwise_calibration_error(after, labels) < 0.01
    assert after == pytest.approx(imbalanced.probabilities)
    assert select(trained, labels, offset(weights)).calibration.method == "prior"


def test_a_temperature_alone_cannot_repair_shifted_priors(imbalanced: Simulated) -> None:
    weights = 1.0 / RARE / 3.0
    trained, labels = imbalanced.logits + np.log(weights), imbalanced.labels
    warm = probabilities(trained, fit("temperature", trained, labels))
    repaired = probabilities(trained, fit("temperature", trained, labels, offset(weights)))
    assert negative_log_likelihood(warm, labels) > 1.2 * negative_log_likelihood(repaired, labels)


def test_equal_weights_have_no_offset() -> None:
    assert offset(np.ones(3)).tolist() == [0.0, 0.0, 0.0]
    assert not np.signbit(offset(np.ones(3))).any()


def test_a_weight_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match=r"class weights must be positive, found 0\.0"):
        offset(np.array([1.0, 0.0]))


def test_the_priors_of_shifted_tickets_are_found_without_their_labels(
    imbalanced: Simulated,
) -> None:
    shifted = np.array([0.3, 0.3, 0.4])
    chance = np.random.default_rng(2)
    drawn = chance.choice(
        len(imbalanced), 4000, p=_each(shifted / np.bincount(imbalanced.labels), imbalanced)
    )
    tickets = imbalanced.at(drawn)
    prior = np.bincount(imbalanced.labels) / len(imbalanced)
    found = saerens(tickets.probabilities, prior)
    observed = np.bincount(tickets.labels) / len(tickets)
    assert found == pytest.approx(observed, abs=0.05)
    assert np.abs(tickets.probabilities.mean(axis=0) - observed).max() > 0.15
    assert found.sum() == pytest.approx(1.0)


def test_the_shares_of_shifted_tickets_are_found_though_some_labels_are_random() -> None:
    shifted = np.array([0.2, 0.4, 0.4])
    pool = simulate(20_000, seed=3, spread=3.0, prior=np.array([0.6, 0.3, 0.1]))
    known, rest = pool.at(np.arange(4000)), pool.at(np.arange(4000, len(pool)))
    chances = _each(shifted / np.bincount(rest.labels), rest)
    recent = rest.at(np.random.default_rng(4).choice(len(rest), 4000, p=chances))
    labels, hidden = (mislabelled(one, 0.2, seed=5) for one in (known, recent))
    calibration = fit("temperature_bias_spread", known.logits * 1.5, labels)
    found = label_shares(calibration, known.logits * 1.5, recent.logits * 1.5)
    assert found == pytest.approx(np.bincount(hidden) / len(hidden), abs=0.03)
    assert found.sum() == pytest.approx(1.0)


def test_without_a_spread_the_label_shares_are_those_of_the_em(imbalanced: Simulated) -> None:
    calibration = fit("temperature_bias", imbalanced.logits, imbalanced.labels)
    found = label_shares(calibration, imbalanced.logits, imbalanced.logits[:500])
    prior = np.bincount(imbalanced.labels) / len(imbalanced)
    expected = saerens(probabilities(imbalanced.logits[:500], calibration), prior)
    assert found == pytest.approx(expected, abs=1e-3)


def test_priors_that_did_not_shift_stay(imbalanced: Simulated) -> None:
    prior = imbalanced.probabilities.mean(axis=0)
    assert saerens(imbalanced.probabilities, prior) == pytest.approx(prior, abs=1e-6)


def test_a_class_of_no_prior_keeps_none() -> None:
    tickets = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]])
    found = saerens(tickets, np.array([0.4, 0.6, 0.0]))
    assert found[2] == 0.0
    assert found.sum() == pytest.approx(1.0)


def test_without_a_ticket_the_priors_stay() -> None:
    assert saerens(np.zeros((0, 2)), np.array([0.4, 0.6])).tolist() == [0.4, 0.6]


def test_priors_that_are_no_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="shares that add up to 1"):
        saerens(np.ones((1, 2)), np.array([0.4, 0.4]))


def test_thinned_tickets_have_the_wanted_priors(imbalanced: Simulated) -> None:
    prior = np.bincount(imbalanced.labels) / len(imbalanced)
    wanted = np.array([0.6, 0.3, 0.1])
    kept = thin(imbalanced.labels, prior, wanted, seed=3)
    assert np.bincount(imbalanced.labels[kept]) / len(kept) == pytest.approx(wanted, abs=0.05)
    assert np.array_equal(kept, thin(imbalanced.labels, prior, wanted, seed=3))


def test_what_is_fitted_on_thinned_tickets_holds_under_the_wanted_priors(
    imbalanced: Simulated,
) -> None:
    prior = np.bincount(imbalanced.labels) / len(imbalanced)
    wanted = np.array([0.6, 0.3, 0.1])
    kept = imbalanced.at(thin(imbalanced.labels, prior, wanted, seed=4))
    found = fit("temperature_bias", kept.logits, kept.labels)
    assert np.diff(found.bias) == pytest.approx(np.diff(np.log(wanted / prior)), abs=0.3)


def test_the_same_priors_keep_every_ticket(imbalanced: Simulated) -> None:
    prior = np.bincount(imbalanced.labels) / len(imbalanced)
    assert thin(imbalanced.labels, prior, prior).tolist() == list(range(len(imbalanced)))


def test_a_wanted_class_without_a_ticket_empties_nothing() -> None:
    labels = np.array([0, 0, 1, 1])
    prior = np.array([0.5, 0.5, 0.0])
    assert thin(labels, prior, np.array([0.25, 0.25, 0.5])).tolist() == [0, 1, 2, 3]
    assert thin(labels, prior, np.array([0.0, 0.0, 1.0])).tolist() == []


def test_a_rare_label_that_multiplies_does_not_throw_the_others_away() -> None:
    """To the last digit nine tenths would go, for a label of one ticket in two hundred."""
    labels = np.repeat([0, 1, 2], [2400, 1598, 2])
    wanted = np.array([0.597, 0.398, 0.005])
    kept = thin(labels, np.bincount(labels) / 4000, wanted)
    assert len(kept) > 0.95 * len(labels)
    assert np.abs(np.bincount(labels[kept]) / len(kept) - wanted).sum() / 2 < SPARED


@pytest.mark.parametrize("seed", range(5))
def test_thinned_priors_miss_the_wanted_ones_by_the_share_that_is_spared(seed: int) -> None:
    chance = np.random.default_rng(seed)
    prior, wanted = chance.dirichlet(np.full(12, 0.5)), chance.dirichlet(np.full(12, 0.5))
    most = _most(wanted / prior, prior, wanted)
    assert np.maximum(0.0, wanted - most * prior).sum() == pytest.approx(SPARED)


@pytest.mark.parametrize("share", [0.0, 1e-6])
def test_a_label_that_seems_to_be_gone_keeps_a_ticket(share: float) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    wanted = np.array([0.6, 0.4 - share, share])
    kept = thin(labels, np.bincount(labels) / 100, wanted)
    assert np.bincount(labels[kept])[2] == 1
    assert len(kept) > 70


def _each(by_class: np.ndarray, simulated: Simulated) -> np.ndarray:
    chances = by_class[simulated.labels]
    return np.asarray(chances / chances.sum())
