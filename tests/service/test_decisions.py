"""What a confidence allows, and what the reply says about it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.promises import SetRule, Threshold
from service.contract.tasks import Task
from service.decisions import WantedSet, decide, decision, rounded
from service.rules import Rule, rule_of
from service.statistics.choice import choose, confidences
from tests.service.promised import costs, promised

TASK = Task(name="queue", labels=("payments", "platform", "desk"))
ORDER = ["human", "suggest", "auto"]
PLAIN = rule_of(TASK, None)

shares = st.lists(st.floats(0.001, 1.0), min_size=3, max_size=3)


def _row(*probabilities: float) -> np.ndarray:
    return np.array(probabilities, np.float32)


def _normal(values: list[float]) -> np.ndarray:
    return (np.array(values) / sum(values)).astype(np.float32)


def test_the_most_probable_label_wins_and_the_rest_follow_in_order() -> None:
    found = decide(PLAIN, _row(0.2, 0.7, 0.1))
    assert (found.label, found.confidence) == ("platform", 0.7)
    assert [other.label for other in found.alternatives] == ["payments", "desk"]


def test_of_equal_probabilities_the_first_label_wins() -> None:
    assert decide(PLAIN, _row(0.4, 0.4, 0.2)).label == "payments"


@pytest.mark.parametrize("threshold", [None, promised(choose="expected_cost", costs=costs(3))])
def test_top_k_counts_the_predicted_label(threshold: Threshold | None) -> None:
    rule = rule_of(TASK, threshold)
    found = [decide(rule, _row(0.2, 0.7, 0.1), top_k) for top_k in (1, 2, 100)]
    assert [len(one.alternatives) for one in found] == [0, 1, 2]


def test_without_a_promise_a_human_decides() -> None:
    found = decide(PLAIN, _row(0.0, 1.0, 0.0))
    assert (found.decision, found.threshold, found.promise) == ("human", None, None)


def test_a_threshold_that_a_person_set_promises_nothing() -> None:
    found = decide(rule_of(TASK, Threshold(auto=0.5)), _row(0.0, 1.0, 0.0))
    assert (found.decision, found.threshold, found.promise) == ("auto", 0.5, None)


def test_a_threshold_with_evidence_is_a_promise_that_is_kept() -> None:
    assert decide(rule_of(TASK, promised()), _row(0.0, 1.0, 0.0)).promise == "kept"


def test_a_confidence_that_equals_a_threshold_reaches_it() -> None:
    found = [decision(confidence, 0.9, 0.5) for confidence in (0.9, 0.899999, 0.5, 0.499999)]
    assert found == ["auto", "suggest", "suggest", "human"]


def test_the_decision_follows_from_the_numbers_in_the_reply() -> None:
    just_below = np.array([0.88 - 1e-8, 0.12, 0.0])
    found = decide(rule_of(TASK, Threshold(auto=0.88)), just_below)
    assert (found.confidence, found.decision) == (0.88, "auto")


@given(st.floats(0, 1, width=32) | st.integers(0, 2**24).map(lambda part: part / 2**24))
def test_a_graph_s_number_is_rounded_as_python_rounds_it(value: float) -> None:
    assert rounded(value) == round(value, 6)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_confidence_never_allows_less(a: float, b: float, one: float, other: float) -> None:
    auto, suggest = max(one, other), min(one, other)
    low, high = sorted((a, b))
    found = [ORDER.index(decision(confidence, auto, suggest)) for confidence in (low, high)]
    assert found == sorted(found)


def test_a_label_may_have_a_threshold_of_its_own_or_never_be_auto() -> None:
    rule = rule_of(TASK, promised(auto=0.8, by_label={"payments": 0.6, "desk": None}))
    payments, platform, desk = (
        decide(rule, _row(*row)) for row in ((0.7, 0.2, 0.1), (0.2, 0.7, 0.1), (0.0, 0.0, 1.0))
    )
    assert (payments.decision, payments.threshold) == ("auto", 0.6)
    assert (platform.decision, platform.threshold) == ("suggest", 0.8)
    assert (desk.decision, desk.threshold, desk.promise) == ("suggest", None, "kept")


def test_the_least_expected_cost_may_choose_a_less_probable_label() -> None:
    rule = rule_of(TASK, promised(choose="expected_cost", costs=costs(3)))
    found = decide(rule, _row(0.1, 0.7, 0.2))
    assert (found.label, found.confidence) == ("payments", 0.1)
    assert [(one.label, one.confidence) for one in found.alternatives] == [
        ("platform", 0.7),
        ("desk", 0.2),
    ]
    assert found.likeliest == found.alternatives[0]


def test_the_most_probable_label_is_told_even_where_one_label_was_asked_for() -> None:
    rule = rule_of(TASK, promised(choose="expected_cost", costs=costs(3)))
    found = decide(rule, _row(0.1, 0.7, 0.2), top_k=1)
    assert found.likeliest is not None
    assert (found.likeliest.label, found.alternatives) == ("platform", [])


def test_where_both_agree_the_most_probable_label_is_not_told_twice() -> None:
    rule = rule_of(TASK, promised(choose="expected_cost", costs=costs(3)))
    assert decide(rule, _row(0.9, 0.05, 0.05)).likeliest is None


@given(shares, st.sampled_from(["probability", "expected_cost"]))
def test_label_and_confidence_are_those_that_thresholds_are_fitted_on(
    values: list[float], choice: str
) -> None:
    row = _normal(values)
    rule = rule_of(TASK, promised(choose=choice, costs=costs(3)))
    found = decide(rule, row)
    expected = choose(row[np.newaxis], costs(3), choice)  # type: ignore[arg-type]
    assert found.label == TASK.labels[expected[0]]
    assert found.confidence == confidences(row[np.newaxis], expected)[0]


@given(shares)
def test_out_of_scope_a_human_decides_whatever_the_confidence(values: list[float]) -> None:
    rule = rule_of(TASK, Threshold(auto=0.0))
    row = _normal(values)
    assert decide(rule, row).decision == "auto"
    outside = decide(rule, row, inside=False)
    assert (outside.decision, outside.label) == ("human", decide(rule, row).label)


def _sets(
    threshold: float | None, by_label: dict[str, float | None] | None = None, method: str = "lac"
) -> Rule:
    sets = SetRule(
        method=method, coverage=0.9, threshold=threshold, by_label=by_label or {}, tickets=500
    )
    return rule_of(TASK, None, (sets,))


def test_a_set_holds_the_labels_within_its_limit_the_most_probable_first() -> None:
    found = decide(_sets(0.75), _row(0.3, 0.6, 0.1), wanted=WantedSet("lac")).set
    assert found is not None
    assert (found.method, found.coverage, found.per_label) == ("lac", 0.9, False)
    assert found.labels == ["platform", "payments"]


def test_an_adaptive_set_goes_by_the_sum_down_to_a_label() -> None:
    rule = _sets(0.65, method="aps")
    found = decide(rule, _row(0.3, 0.6, 0.1), wanted=WantedSet("aps")).set
    assert found is not None
    assert found.labels == ["platform", "payments"]


def test_a_score_may_exceed_its_limit_by_a_graph_s_last_digit() -> None:
    rule = _sets(0.4 - 5e-7)
    found = decide(rule, _row(0.4, 0.6, 0.0), wanted=WantedSet("lac")).set
    assert found is not None
    assert found.labels == ["platform"]
    assert decide(_sets(0.4 - 5e-6), _row(0.4, 0.6, 0.0), wanted=WantedSet("lac")).set == (
        replace(found, labels=[])
    )


def test_too_few_tickets_for_a_limit_put_every_label_in_the_set() -> None:
    found = decide(_sets(None), _row(0.0, 1.0, 0.0), wanted=WantedSet("lac")).set
    assert found is not None
    assert found.labels == ["platform", "payments", "desk"]


def test_a_set_per_label_goes_by_each_label_s_own_limit() -> None:
    rule = _sets(0.0, {"payments": 0.9, "platform": 0.3, "desk": None})
    found = decide(rule, _row(0.3, 0.6, 0.1), wanted=WantedSet("lac", per_label=True)).set
    assert found is not None
    assert (found.per_label, found.labels) == (True, ["payments", "desk"])


@pytest.mark.parametrize(
    "wanted", [WantedSet("aps"), WantedSet("lac", per_label=True), WantedSet("aps", per_label=True)]
)
def test_a_set_that_the_bundle_was_not_calibrated_for_is_null(wanted: WantedSet) -> None:
    assert decide(_sets(0.5), _row(0.3, 0.6, 0.1), wanted=wanted).set is None


def test_nobody_who_does_not_ask_gets_a_set() -> None:
    assert decide(_sets(0.5), _row(0.3, 0.6, 0.1)).set is None
