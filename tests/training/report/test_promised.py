"""Promises: the report shows what an export would promise, for tickets in scope alone."""

import numpy as np

from tests.training.report.runs import QUEUE, URGENCY, usual
from training.calibration.promises import Promises, parse_promises
from training.report.outcome import outcome
from training.report.promised import Shown, promised


def sure(tickets: int, outside: int = 0) -> Shown:
    """Tickets whose labels are all given rightly, and so many out of scope, all given wrongly."""
    labels_N = np.arange(tickets + outside) % QUEUE.classes
    inside_N = np.arange(len(labels_N)) < tickets
    given_N = np.where(inside_N, labels_N, (labels_N + 1) % QUEUE.classes)
    return Shown(QUEUE, np.eye(QUEUE.classes)[given_N] * 0.96 + 0.01, labels_N, inside_N)


def test_what_can_be_promised_is_shown_by_the_statistics_alone() -> None:
    found = promised(sure(600), None, Promises(), 5000)
    assert [one.threshold for one in found.offers] == [0.97] * 5
    assert found.best is not None
    assert found.best.target == 0.97
    few = promised(sure(10), None, Promises(), 5000)
    assert few.best is None


def test_tickets_out_of_scope_neither_count_against_an_offer_nor_as_auto() -> None:
    found = promised(sure(600, outside=200), None, Promises(), 5000)
    assert [one.threshold for one in found.offers] == [0.97] * 5
    assert [one.coverage for one in found.offers] == [0.75] * 5
    assert (found.tickets, found.outside) == (800, 200)


def test_tickets_out_of_scope_count_for_no_asked_promise() -> None:
    wanted = parse_promises({"queue": {"precision": 0.97}}, "test")
    found = promised(sure(600, outside=200), None, wanted, 5000).threshold
    assert found is not None
    assert found.promise is not None
    seen = found.promise.evidence
    assert (seen.tickets, seen.accepted, seen.right) == (800, 600, 600)


def test_the_rule_of_a_cost_promise_is_the_one_that_is_looked_at() -> None:
    run = usual()
    test = outcome(URGENCY, run.facts.calibration["urgency"], run.predictions, "test")
    assert test is not None
    costs = {"costs": {"P0": {"P3": 50}, "default": 1}, "human": 3, "choose": "expected_cost"}
    wanted = parse_promises({"urgency": costs}, "test")
    shown = Shown(URGENCY, test.after_NC, test.labels_N, test.inside_N)
    found = promised(shown, test, wanted, 5000)
    assert found.asked == "the mean cost of a ticket is least"
    assert found.threshold is not None
    assert found.seen is not None
    by_cost = test.told(found.threshold.costs, "expected_cost")
    assert found.seen.accepted == (by_cost.confidence_N >= found.threshold.auto).sum()
