"""Reliability from final labels: the figures, the promise's standing, the evidence behind it."""

import json
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
from service.policy import TaskPolicy
from service.reliability.document import PromiseStanding
from service.reliability.figures import reliability_of
from service.reliability.promise import standing
from service.rules import Rule, rule_of
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
    return Recent(rows, rows, share=1.0)


def _rule(threshold: Threshold | None, **asked: Any) -> Rule:
    line = TaskPolicy.model_validate(asked) if asked else None
    return rule_of(TASK, threshold, (), line)


def _standing(recent: Recent, threshold: Threshold, **asked: Any) -> PromiseStanding:
    found = standing(TASK, recent, threshold, _rule(threshold, **asked))
    assert found is not None
    return found


def test_expected_observed_and_gap_are_of_the_labelled_tickets() -> None:
    labelled = (
        Labelled("a", 0.9, "auto", 1.0, "a"),
        Labelled("a", 0.7, "auto", 2.0, "b"),
        Labelled("b", 0.6, "suggest", 3.0, "nowhere"),
    )
    recent = Recent(labelled, labelled, share=0.25, cut=True)
    found = reliability_of(TASK, recent, None, _rule(None))
    assert (found.n, found.unknown, found.labelled_share, found.cut) == (3, 1, 0.25, True)
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
    threshold = _threshold("precision", 0.9)
    found = reliability_of(TASK, Recent(), threshold, _rule(threshold))
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
    bins = reliability_of(TASK, Recent(rows, rows), None, _rule(None)).bins
    assert [one.n for one in bins] == [20] * 10
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)
    assert all(one.low <= one.accuracy <= one.high for one in bins)


def test_the_gap_s_interval_holds_the_true_gap_as_often_as_it_says() -> None:
    rng, held, runs = np.random.default_rng(1), 0, 100
    for _ in range(runs):
        sure_N = rng.uniform(0.5, 1.0, size=150)
        right_N = rng.random(150) < sure_N - 0.1
        rows = tuple(
            Labelled("a", float(sure), "auto", 0.0, "a" if right else "b")
            for sure, right in zip(sure_N, right_N, strict=True)
        )
        gap = reliability_of(TASK, Recent(rows, rows), None, _rule(None)).gap
        held += gap is not None and gap.low <= 0.1 <= gap.high
    assert held / runs >= 0.95


@pytest.mark.parametrize(
    ("threshold", "asked"),
    [
        (_threshold("coverage", 0.8), {"auto": 0.95}),
        (_threshold("cost", high=0.5, costs=COSTS), {"auto": 0.95}),
        (_threshold("precision", 0.97), {"auto": 0.3, "may_loosen": True}),
        (_threshold("precision", 0.97), {"human": 3.0, "costs": {"default": 1.0}}),
        (_threshold("precision", 0.97), {"choose": "expected_cost", "costs": {"default": 1.0}}),
    ],
)
def test_where_a_policy_leaves_no_promise_none_is_checked(
    threshold: Threshold, asked: dict[str, Any]
) -> None:
    recent = _rows(0, 50, "suggest")
    assert standing(TASK, recent, threshold, _rule(threshold, **asked)) is None
    assert standing(TASK, recent, threshold, _rule(threshold)) is not None


def _then(*parts: tuple[str, float, int]) -> Recent:
    """So many decisions of each kind, one after the other: (decision, confidence, how many)."""
    kinds = [part[:2] for part in parts for _ in range(part[2])]
    rows = tuple(Labelled("a", sure, kind, float(at), "a") for at, (kind, sure) in enumerate(kinds))
    return Recent(rows, rows)


def test_what_a_tighter_policy_held_back_breaks_no_promise_once_it_is_gone() -> None:
    before, now = ("suggest", 0.9, 300), ("auto", 0.9, 40)
    coverage, cost = _threshold("coverage", 0.8), _threshold("cost", high=0.5, costs=COSTS)
    for threshold in (coverage, cost):
        found = _standing(_then(before, now), threshold)
        assert (found.n, found.broken) == (40, False)
    # Below the threshold, out of scope: what the bundle alone says counts from the start.
    own = _then(("human", 0.9, 5), ("suggest", 0.4, 5), ("human", 0.4, 5), now)
    assert _standing(own, _threshold("coverage", 0.8)).n == 55


def test_a_policy_that_tightens_a_broken_promise_begins_anew() -> None:
    wrong = tuple(Labelled("a", 0.6, "auto", float(at), "b") for at in range(60))
    right = tuple(Labelled("a", 0.95, "auto", 100.0 + at, "a") for at in range(30))
    rows = (*wrong, *right)
    threshold = _threshold("precision", 0.9)
    assert _standing(Recent(rows, rows), threshold).broken
    after = _standing(Recent(rows, rows), threshold, auto=0.95)
    assert (after.n, after.observed, after.broken) == (30, 1.0, False)
    # A decision that nobody has labelled yet says as well when the policy came.
    late = Recent(right, (*right, Said("a", 0.6, "auto", 110.0)))
    assert _standing(late, threshold, auto=0.95).n == 19


def test_precision_is_of_labelled_auto_and_coverage_of_all_tickets() -> None:
    recent = _rows(30, 10)
    recent = Recent(
        (*recent.labelled, *_rows(0, 50, "human").labelled),
        (*recent.told, *(Said("a", 0.9, "human", 50.0) for _ in range(60))),
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
    unsure = _rows(4, 0, "suggest", confidence=0.4)
    assert _standing(unsure, threshold).observed == pytest.approx(3.0)
    unknown = (Labelled("a", 0.9, "auto", 0.0, "nowhere"),)
    assert _standing(Recent(unknown, unknown), threshold).observed == pytest.approx(8.0)


def test_what_cannot_be_checked_has_no_standing() -> None:
    for threshold in (Threshold(auto=0.5), _threshold("cost")):
        assert standing(TASK, _rows(1, 1), threshold, _rule(threshold)) is None
