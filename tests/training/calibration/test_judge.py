"""What one split's predictions show of all tasks together."""

import numpy as np
import pytest

from service.contract.promises import Scope
from tests.training.calibration.simulated import QUEUE, URGENCY, simulate
from training.calibration.judge import inside, judge, scope_of
from training.calibration.measures import measures
from training.calibration.promises import Promises, parse_promises
from training.calibration.selection import select
from training.calibration.thresholds import threshold
from training.errors import AnswerError, ConfigError, PromiseRefused
from training.predictions import Predictions

UNLABELLED = -100
TASKS = (QUEUE, URGENCY)


def predictions(tickets: int = 800, scope: bool = False) -> Predictions:
    """Overconfident; a fifth of the tickets has no urgency."""
    queue, urgency = simulate(tickets, seed=1), simulate(tickets, classes=4, seed=2)
    labels = np.where(np.arange(tickets) % 5 == 0, UNLABELLED, urgency.labels)
    return Predictions(
        {"queue": queue.logits * 2.0, "urgency": urgency.logits * 2.0},
        {"queue": queue.labels, "urgency": labels},
        np.random.default_rng(3).chisquare(5, tickets).astype(np.float32) if scope else None,
    )


def promises(**tasks: object) -> Promises:
    return parse_promises(tasks, "a file")


def test_without_promises_there_are_calibrations_and_sets_but_no_thresholds() -> None:
    judged = judge(TASKS, predictions(), None)
    assert {name: one.method for name, one in judged.calibration.items()} == {
        "queue": "temperature",
        "urgency": "temperature",
    }
    assert judged.thresholds == {}
    assert [rule.method for rule in judged.sets["queue"]] == ["lac", "aps"]
    assert {rule.coverage for rules in judged.sets.values() for rule in rules} == {0.9}
    assert judged.sets["urgency"][0].tickets == judged.quality["urgency"]["n"] == 640
    assert "temperature" in judged.candidates["queue"]
    assert (judged.scope, judged.notes) == (None, ())


def test_thresholds_and_quality_rest_on_cross_fitted_probabilities() -> None:
    wanted = promises(queue={"precision": 0.85}, sets=0.8, level=0.9)
    judged = judge(TASKS, predictions(), wanted)
    logits, labels = predictions().labelled("queue")
    crossed = select(logits, labels).probabilities_NC
    promise = wanted.tasks["queue"]
    assert judged.thresholds == {"queue": threshold(QUEUE, crossed, labels, promise, 0.9)}
    assert judged.quality["queue"] == measures(QUEUE, crossed, labels)
    assert judged.sets["queue"][0].coverage == 0.8


def test_tickets_beyond_the_limit_of_the_scope_are_not_counted_as_auto() -> None:
    wanted = promises(queue={"coverage": 0.5}, scope=0.9)
    judged = judge(TASKS, predictions(scope=True), wanted, scope_method="mahalanobis")
    assert judged.scope is not None
    inside = predictions(scope=True).scope_N <= judged.scope.threshold
    logits, labels = predictions().labelled("queue")
    crossed = select(logits, labels).probabilities_NC
    promise = wanted.tasks["queue"]
    assert judged.thresholds["queue"] == threshold(QUEUE, crossed, labels, promise, 0.95, inside)
    assert judged.thresholds["queue"] != threshold(QUEUE, crossed, labels, promise, 0.95)


def test_the_offset_of_a_task_corrects_that_task() -> None:
    offset = np.array([2.0, -1.0, -1.0])
    found = predictions()
    shifted = Predictions(
        {**found.logits, "queue": found.logits["queue"] / 2.0 - offset}, found.labels
    )
    judged = judge(TASKS, shifted, None, {"queue": tuple(offset), "urgency": (0.0,) * 4})
    assert judged.calibration["queue"].method == "prior"
    assert judged.calibration["urgency"].method == "temperature"


@pytest.mark.parametrize(("tickets", "kept", "least"), [(99, 0.9, 100), (150, 0.995, 199)])
def test_too_few_tickets_set_no_limit_of_the_scope(tickets: int, kept: float, least: int) -> None:
    judged = judge(TASKS, predictions(tickets, scope=True), promises(scope=kept), None, "energy")
    assert judged.scope is None
    assert judged.notes[-1].endswith(f"needs {least} tickets, found {tickets}")


def test_the_limit_of_the_scope_keeps_the_wanted_share() -> None:
    found = predictions(800, scope=True)
    scope = judge(TASKS, found, promises(scope=0.97), None, "mahalanobis").scope
    assert scope is not None
    assert found.scope_N is not None
    assert (scope.method, scope.tickets) == ("mahalanobis", 800)
    assert scope.kept == pytest.approx((found.scope_N <= scope.threshold).mean())
    assert 0.97 <= scope.kept < 0.975
    assert judge(TASKS, found, None).scope is None


def test_a_kept_limit_decides_what_is_in_scope_in_place_of_a_new_one() -> None:
    found, wanted = predictions(scope=True), promises(queue={"coverage": 0.5})
    assert found.scope_N is not None
    kept = Scope(method="mahalanobis", threshold=5.0, kept=0.99, tickets=3000)
    judged = judge(TASKS, found, wanted, kept_scope=kept)
    logits, labels = found.labelled("queue")
    crossed = select(logits, labels).probabilities_NC
    promise = wanted.tasks["queue"]
    within = found.scope_N <= 5.0
    assert judged.thresholds["queue"] == threshold(QUEUE, crossed, labels, promise, 0.95, within)
    assert judged.thresholds["queue"] != threshold(QUEUE, crossed, labels, promise, 0.95)
    assert (judged.scope, judged.notes) == (kept, ())
    with pytest.raises(ValueError, match="a limit of the scope needs the tickets' scores"):
        judge(TASKS, predictions(), wanted, kept_scope=kept)


def test_a_score_meets_the_limit_rounded_as_the_service_rounds_it() -> None:
    scores = np.random.default_rng(0).chisquare(40, 500).astype(np.float32)
    found = predictions(500, scope=True)
    found = Predictions(found.logits, found.labels, scores)
    scope = scope_of(found, promises(scope=0.9), "mahalanobis")
    assert isinstance(scope, Scope)
    assert scope.threshold == round(scope.threshold, 6)
    for limit in (scope, scope.model_copy(update={"threshold": 40.0})):
        served = [round(float(score), 6) <= limit.threshold for score in scores]
        assert inside(scores, limit).tolist() == served
    assert scope.kept == inside(scores, scope).mean()
    near = np.array([40.0000004, 40.0000006])
    assert inside(near, scope.model_copy(update={"threshold": 40.0})).tolist() == [True, False]
    assert inside(near, None).all()


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_logit_that_is_not_finite_is_refused_by_task(broken: float) -> None:
    found = predictions()
    found.logits["urgency"][[3, 7], 1] = broken
    with pytest.raises(AnswerError, match=r"task urgency: .* finite, found 2 of 640") as caught:
        judge(TASKS, found, None)
    assert caught.value.task == "urgency"


def test_a_task_without_the_tickets_for_sets_is_named_and_left_out() -> None:
    found = predictions()
    labels = {
        "queue": np.where(np.arange(800) < 19, found.labels["queue"], UNLABELLED),
        "urgency": np.where(found.labels["urgency"] == 3, 2, found.labels["urgency"]),
    }
    judged = judge(TASKS, Predictions(found.logits, labels), None)
    assert judged.sets == {}
    assert judged.notes == (
        "task queue has no conformal sets: they need 20 labelled tickets, found 19",
        "task urgency has no conformal sets: task urgency: every label needs a labelled ticket to "
        "calibrate on, found none of P3 among 640",
    )


def test_a_task_without_a_labelled_ticket_is_left_as_it_is() -> None:
    found = predictions()
    labels = {**found.labels, "urgency": np.full(800, UNLABELLED)}
    judged = judge(TASKS, Predictions(found.logits, labels), None)
    assert judged.calibration["urgency"].method == "none"
    assert judged.quality["urgency"] == {"n": 0.0}


def test_a_promise_without_tickets_is_refused() -> None:
    found = predictions()
    labels = {**found.labels, "urgency": np.full(800, UNLABELLED)}
    with pytest.raises(PromiseRefused, match="found none of P0, P1, P2, P3 among 0"):
        judge(TASKS, Predictions(found.logits, labels), promises(urgency={"precision": 0.9}))


def test_a_promise_that_cannot_be_shown_is_refused() -> None:
    with pytest.raises(
        PromiseRefused, match=r"a precision of 0\.999 at level 0\.95 needs at least"
    ):
        judge(TASKS, predictions(), promises(queue={"precision": 0.999}))


def test_a_promise_for_no_task_is_refused_with_the_tasks() -> None:
    with pytest.raises(ConfigError, match="promises may name queue, urgency, found team"):
        judge(TASKS, predictions(), promises(team={"precision": 0.9}))
