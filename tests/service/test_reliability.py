"""Reliability from final labels: the figures, the promise's standing, the evidence behind it."""

import json
import math
from typing import Any

import numpy as np
import pytest

from service.contract.promises import (
    CostEvidence,
    Costs,
    Evidence,
    Promise,
    Share,
    Threshold,
)
from service.contract.tasks import Task
from service.ledger.labelled import Labelled, Recent, Said
from service.reliability.betting import Counted, bounds, counted, log_wealth
from service.reliability.document import PromiseStanding
from service.reliability.figures import reliability_of
from service.reliability.promise import is_promised, standing
from service.statistics import eprocess
from service.statistics.intervals import wilson

TASK = Task(name="queue", labels=("a", "b", "c"))
ALPHA = 0.05
COSTS = Costs(matrix=((0.0, 1.0, 1.0), (8.0, 0.0, 1.0), (2.0, 1.0, 0.0)), human=3.0)


def _promise(kind: Any, target: float | None = None, high: float = 1.0) -> Promise:
    share = Share(value=0.5, low=0.4, high=0.6)
    cost = CostEvidence(mean=high / 2, low=0.0, high=high, all_auto=2.0, all_human=3.0)
    evidence = Evidence(tickets=10, accepted=5, right=5, precision=share, coverage=share, cost=cost)
    return Promise(kind=kind, target=target, evidence=evidence)


def _threshold(kind: Any, target: float | None = None, **given: Any) -> Threshold:
    high = given.pop("high", 1.0)
    return Threshold(**{"auto": 0.5, "promise": _promise(kind, target, high), **given})


def _rows(right: int, wrong: int, decision: str = "auto", confidence: float = 0.9) -> Recent:
    finals = ["a"] * right + ["b"] * wrong
    rows = tuple(
        Labelled("a", confidence, decision, float(at), final) for at, final in enumerate(finals)
    )
    return Recent(rows, rows, len(rows))


def _standing(recent: Recent, threshold: Threshold) -> PromiseStanding:
    found = standing(TASK, recent, threshold)
    assert found is not None
    return found


def test_expected_observed_and_gap_are_of_the_labelled_tickets() -> None:
    labelled = (
        Labelled("a", 0.9, "auto", 1.0, "a"),
        Labelled("a", 0.7, "auto", 2.0, "b"),
        Labelled("b", 0.6, "suggest", 3.0, "nowhere"),
    )
    found = reliability_of(TASK, Recent(labelled, labelled, tickets=12), None)
    assert (found.n, found.unknown, found.labelled_share) == (3, 1, 0.25)
    assert found.expected == pytest.approx(2.2 / 3)
    assert found.observed == pytest.approx(1 / 3)
    interval = wilson(1, 3)
    assert found.gap is not None
    assert found.gap.value == pytest.approx(1.2 / 3)
    assert found.gap.low == pytest.approx(2.2 / 3 - interval.high)
    assert found.gap.high == pytest.approx(2.2 / 3 - interval.low)
    assert (found.auto.n, found.auto.expected, found.auto.observed) == (2, 0.8, 0.5)
    assert found.promise is None


def test_without_a_label_nothing_is_claimed() -> None:
    found = reliability_of(TASK, Recent(), _threshold("precision", 0.9))
    assert (found.n, found.expected, found.observed, found.gap, found.bins) == (
        0,
        None,
        None,
        None,
        (),
    )
    assert found.labelled_share is None
    assert found.promise is not None
    assert (found.promise.observed, found.promise.broken) == (None, False)
    assert (found.promise.low, found.promise.high) == (0.0, 1.0)


def test_the_bins_hold_equally_many_tickets_from_the_least_confident_on() -> None:
    rng = np.random.default_rng(0)
    rows = tuple(
        Labelled("a", float(sure), "auto", 0.0, "a" if rng.random() < sure else "b")
        for sure in rng.uniform(0.3, 1.0, size=200)
    )
    bins = reliability_of(TASK, Recent(rows, rows, 200), None).bins
    assert [one.n for one in bins] == [20] * 10
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)
    assert all(one.low <= one.accuracy <= one.high for one in bins)


def test_the_gap_s_interval_holds_the_true_gap_as_often_as_it_says() -> None:
    rng, held, runs = np.random.default_rng(1), 0, 200
    for _ in range(runs):
        sure_N = rng.uniform(0.5, 1.0, size=150)
        right_N = rng.random(150) < sure_N - 0.1
        rows = tuple(
            Labelled("a", float(sure), "auto", 0.0, "a" if right else "b")
            for sure, right in zip(sure_N, right_N, strict=True)
        )
        gap = reliability_of(TASK, Recent(rows, rows, 150), None).gap
        held += gap is not None and gap.low <= 0.1 <= gap.high
    assert held / runs >= 0.95


@pytest.mark.parametrize(
    ("said", "promised"),
    [
        (Said("a", 0.5, "auto"), True),
        (Said("a", 0.4, "auto"), False),
        (Said("a", 0.9, "suggest"), False),
        (Said("b", 0.8, "auto"), False),
        (Said("b", 0.9, "auto"), True),
        (Said("c", 1.0, "auto"), False),
    ],
)
def test_auto_that_a_policy_loosened_is_no_promise(said: Said, promised: bool) -> None:
    threshold = Threshold(auto=0.5, by_label={"b": 0.9, "c": None})
    assert is_promised(said, threshold) == promised


def test_precision_is_of_labelled_auto_and_coverage_of_all_tickets() -> None:
    recent = _rows(30, 10)
    recent = Recent(
        (*recent.labelled, *_rows(0, 50, "human").labelled),
        (*recent.told, *(Said("a", 0.9, "human") for _ in range(60))),
        90,
    )
    precision = _standing(recent, _threshold("precision", 0.9))
    assert (precision.n, precision.observed, precision.target) == (40, 0.75, 0.9)
    coverage = _standing(recent, _threshold("coverage", 0.8))
    assert (coverage.n, coverage.observed, coverage.target) == (100, pytest.approx(0.4), 0.8)
    assert coverage.broken


@pytest.mark.parametrize(("right", "wrong"), [(0, 0), (5, 0), (97, 3), (90, 10), (200, 30), (0, 3)])
@pytest.mark.parametrize("target", [0.5, 0.9, 0.97, 1.0])
def test_a_promise_is_broken_where_its_target_lies_above_the_bounds(
    right: int, wrong: int, target: float
) -> None:
    found = _standing(_rows(right, wrong), _threshold("precision", target))
    assert found.broken == (found.high < target)
    assert found.broken == (found.evidence >= 1 / ALPHA)
    if found.observed is not None:
        assert found.low <= found.observed <= found.high
    json.loads(found.model_dump_json(), parse_constant=pytest.fail)


def test_a_cost_promise_is_broken_where_labels_cost_more_than_was_promised() -> None:
    threshold = _threshold("cost", high=0.5, costs=COSTS)
    sound = _standing(_rows(190, 10), threshold)
    # A `b` that was called `a` costs 8.
    assert (sound.observed, sound.target) == (pytest.approx(0.4), pytest.approx(0.5))
    assert not sound.broken
    broken = _standing(_rows(150, 50), threshold)
    assert broken.observed == pytest.approx(2.0)
    assert broken.broken
    assert broken.low > broken.target


def test_an_agent_s_decision_and_an_unknown_label_have_their_cost() -> None:
    threshold = _threshold("cost", high=0.5, costs=COSTS)
    assert _standing(_rows(4, 0, "suggest"), threshold).observed == pytest.approx(3.0)
    unknown = (Labelled("a", 0.9, "auto", 0.0, "nowhere"),)
    assert _standing(Recent(unknown, unknown, 1), threshold).observed == pytest.approx(8.0)


def test_what_cannot_be_checked_has_no_standing() -> None:
    assert standing(TASK, _rows(1, 1), Threshold(auto=0.5)) is None
    assert standing(TASK, _rows(1, 1), _threshold("cost")) is None


@pytest.mark.parametrize("target", [0.5, 0.9, 0.97])
def test_of_right_and_wrong_the_wealth_is_the_e_process_s(target: float) -> None:
    for right, wrong in [(0, 0), (10, 0), (0, 4), (300, 30)]:
        expected = eprocess.log_wealth(right, 0, wrong, -target, "worse")
        found = log_wealth(Counted(np.array([0.0, 1.0]), np.array([right, wrong])), 1 - target)
        assert found == pytest.approx(float(expected), abs=1e-9)


def test_a_bound_is_the_mean_that_the_wealth_has_just_not_refuted() -> None:
    seen = counted(np.random.default_rng(0).choice([0.0, 0.2, 1.0], size=300))
    found = bounds(seen, ALPHA)
    assert log_wealth(seen, found.low) == pytest.approx(-math.log(ALPHA), abs=1e-6)
    assert log_wealth(seen.mirrored, 1 - found.high) == pytest.approx(-math.log(ALPHA), abs=1e-6)


def test_values_and_means_outside_of_0_and_1_are_refused() -> None:
    with pytest.raises(ValueError, match="values must lie within 0 and 1"):
        counted([0.5, 1.5])
    with pytest.raises(ValueError, match=r"the mean must lie within 0 and 1, found 1\.5"):
        log_wealth(counted([0.5]), 1.5)


def _raised_at(precision: float, target: float, seed: int) -> list[float]:
    """Labels at which `broken` is first seen in each of 500 runs, looking after every label."""
    wrong_RN = np.cumsum(np.random.default_rng(seed).random((500, 1_500)) >= precision, axis=1)
    right_RN = np.arange(1, 1_501) - wrong_RN
    # The wealth of all runs at once; a test above says that it is the same.
    wealth_RN = eprocess.log_wealth(right_RN, 0, wrong_RN, -target, "worse")
    raised_RN = wealth_RN >= -math.log(ALPHA)
    first_R = np.where(raised_RN.any(axis=1), raised_RN.argmax(axis=1) + 1, np.inf)
    return [float(first) for first in first_R]


@pytest.mark.parametrize("target", [0.9, 0.97])
def test_a_promise_kept_exactly_is_seldom_called_broken_however_often_one_looks(
    target: float,
) -> None:
    raised = _raised_at(target, target, seed=3)
    assert sum(math.isfinite(at) for at in raised) / len(raised) <= ALPHA


@pytest.mark.parametrize(("target", "labels"), [(0.9, 400), (0.97, 200)])
def test_a_drop_of_five_points_is_seen_within_some_hundreds_of_labels(
    target: float, labels: int
) -> None:
    raised = _raised_at(target - 0.05, target, seed=4)
    assert np.median(raised) <= labels
    assert max(raised) <= 1_500


def test_costs_that_are_as_promised_are_seldom_called_broken() -> None:
    rng, runs, raised = np.random.default_rng(5), 100, 0
    values, chances = np.array([0.0, 1 / 8, 1.0]), np.array([0.7, 0.28, 0.02])
    mean = float(values @ chances)
    for _ in range(runs):
        drawn = rng.choice(3, size=1_000, p=chances)
        counts = np.array([np.cumsum(drawn == value)[19::20] for value in range(3)]).T
        raised += any(log_wealth(Counted(values, now), mean) >= -math.log(ALPHA) for now in counts)
    assert raised / runs <= ALPHA
