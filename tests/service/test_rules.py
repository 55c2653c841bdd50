"""What a policy makes of a bundle's promises: tighter, or looser and said so."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.bundle import Variant
from service.contract.promises import Promise, Threshold
from service.contract.tasks import Task
from service.decisions import decide
from service.policy import Policy, TaskPolicy
from service.rules import NEVER, Rule, rule_of, rules_of
from tests.service.promised import COVERAGE, LEAST_COST, PRECISION, costs, promised

TASK = Task(name="urgency", labels=("P0", "P1", "P2"), kind="ordinal")
PAGES = {"P0": {"P1": 50, "P2": 50}, "default": 1}


def _under(threshold: Threshold | None, **asked: Any) -> Rule:
    return rule_of(TASK, threshold, (), TaskPolicy.model_validate(asked))


def test_a_policy_raises_thresholds_and_the_promise_is_tightened() -> None:
    rule = _under(promised(auto=0.9, suggest=0.5), auto=0.95, suggest=0.7)
    assert (rule.auto_C, rule.suggest, rule.promise) == ((0.95,) * 3, 0.7, "tightened")


def test_a_policy_below_the_bundle_changes_nothing() -> None:
    rule = _under(promised(auto=0.9, suggest=0.5), auto=0.6, suggest=0.3)
    assert (rule.auto_C, rule.suggest, rule.promise) == ((0.9,) * 3, 0.5, "kept")


def test_a_policy_that_may_loosen_says_so() -> None:
    rule = _under(promised(auto=0.9), auto=0.6, may_loosen=True)
    assert (rule.auto_C, rule.promise) == ((0.6,) * 3, "loosened")


def test_leave_to_loosen_that_is_not_used_loosens_nothing() -> None:
    assert _under(promised(auto=0.9), auto=0.95, may_loosen=True).promise == "tightened"


def test_a_label_that_is_never_auto_stays_so_unless_the_policy_loosens() -> None:
    threshold = promised(auto=0.9, by_label={"P0": None, "P1": 0.8})
    assert _under(threshold, auto=0.85).thresholds() == {"P0": None, "P1": 0.85, "P2": 0.9}
    loose = _under(threshold, auto=0.95, may_loosen=True)
    assert (loose.thresholds()["P0"], loose.promise) == (0.95, "loosened")


@pytest.mark.parametrize("promise", [COVERAGE, LEAST_COST])
def test_a_raised_threshold_leaves_nothing_of_a_coverage_or_a_least_cost(promise: Promise) -> None:
    threshold = promised(promise=promise)
    assert _under(threshold, auto=0.95).promise is None
    assert _under(threshold, suggest=0.6).promise == "tightened"


def test_without_a_promise_nothing_is_tightened() -> None:
    assert _under(Threshold(auto=0.9), auto=0.95).promise is None
    assert _under(Threshold(auto=0.9), auto=0.5, may_loosen=True).promise == "loosened"


@pytest.mark.parametrize("asked", [{"auto": 0.9}, {"suggest": 0.9}])
def test_without_a_threshold_there_is_nothing_to_tighten(asked: dict[str, float]) -> None:
    (key,) = asked
    with pytest.raises(ValueError, match=rf"urgency\.{key}: .*may_loosen: true"):
        _under(None, **asked)
    loose = _under(None, **asked, may_loosen=True)
    assert (getattr(loose, "auto_C" if key == "auto" else "suggest"), loose.promise) == (
        (0.9,) * 3 if key == "auto" else 0.9,
        "loosened",
    )


def test_another_choice_of_label_voids_the_promise_and_nothing_is_auto() -> None:
    rule = _under(promised(auto=0.0, suggest=0.0), choose="expected_cost", costs=PAGES)
    found = decide(rule, np.array([0.1, 0.8, 0.1], np.float32))
    assert (found.label, found.decision) == ("P0", "suggest")
    assert (found.threshold, found.promise) == (None, None)


def test_a_policy_that_may_loosen_lets_another_choice_be_auto() -> None:
    threshold = promised(auto=0.05, suggest=0.0)
    rule = _under(threshold, choose="expected_cost", costs=PAGES, may_loosen=True)
    found = decide(rule, np.array([0.1, 0.8, 0.1], np.float32))
    assert (found.label, found.decision, found.promise) == ("P0", "auto", "loosened")


def test_other_costs_than_the_promise_was_shown_for_void_it() -> None:
    threshold = promised(choose="expected_cost", costs=costs(3))
    assert _under(threshold, costs=PAGES).promise == "kept"
    assert _under(threshold, choose="expected_cost", costs={**PAGES, "default": 2}).promise is None
    assert _under(threshold, choose="probability").promise is None


def test_a_choice_by_cost_may_take_the_bundle_s_costs() -> None:
    rule = _under(promised(costs=costs(3)), choose="expected_cost")
    assert (rule.chooses, rule.promise) == (costs(3), None)


def test_another_choice_without_a_threshold_stays_a_human_s() -> None:
    for given_leave in (False, True):
        rule = _under(None, choose="expected_cost", costs=PAGES, may_loosen=given_leave)
        found = decide(rule, np.array([1.0, 0.0, 0.0], np.float32))
        assert (found.decision, found.promise) == ("human", None)


def test_a_label_that_is_expected_to_cost_more_than_an_agent_is_not_auto() -> None:
    rule = _under(promised(auto=0.5), costs=PAGES, human=3)
    dear = decide(rule, np.array([0.1, 0.9, 0.0], np.float32))
    cheap = decide(rule, np.array([0.05, 0.95, 0.0], np.float32))
    assert (dear.label, dear.decision) == ("P1", "suggest")
    assert (cheap.label, cheap.decision) == ("P1", "auto")
    assert (rule.promise, rule.chooses) == (None, None)


def test_costs_that_keep_a_label_from_being_auto_leave_no_promise_whatever_else_is_raised() -> None:
    # Right with 0.96 at every confidence: what costs leave over may well be the wrong ones.
    assert _under(promised(), auto=0.95, costs=PAGES, human=3).promise is None
    assert _under(promised(), costs=PAGES, human=3, suggest=0.6).promise is None
    loose = _under(promised(), auto=0.5, costs=PAGES, human=3, may_loosen=True)
    assert loose.promise == "loosened"


def test_a_line_that_does_not_fit_leaves_nothing_auto_where_somebody_hears_of_it() -> None:
    variant = Variant.model_construct(thresholds={"urgency": promised(auto=0.5)}, sets={})
    line = TaskPolicy.model_validate({"costs": {"P9": {"P1": 2}}, "human": 1})
    policy = Policy("p.yaml", "sha256:1", {"urgency": line, "mood": line})
    heard: list[str] = []
    rule = rules_of((TASK,), variant, policy, lambda error: heard.append(str(error)))["urgency"]
    assert (rule.auto_C, rule.suggest, rule.promise) == ((NEVER,) * 3, 0.5, None)
    assert heard == ["urgency.costs: costs may name P0, P1, P2, found P9"]
    with pytest.raises(ValueError, match=r"urgency\.costs"):
        rules_of((TASK,), variant, policy)


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        (("P1", 0.9, "auto"), True),
        (("P1", 0.89, "auto"), False),
        (("P1", 0.95, "suggest"), False),
        (("P1", 0.7, "suggest"), True),
        (("P1", 0.4, "suggest"), False),
        (("P1", 0.95, "human"), True),
        (("P0", 1.0, "auto"), False),
        (("P0", 0.7, "suggest"), True),
        (("P9", 1.0, "auto"), False),
    ],
)
def test_a_decision_is_told_from_one_of_another_rule(
    said: tuple[str, float, str], allowed: bool
) -> None:
    assert rule_of(TASK, promised(auto=0.9, by_label={"P0": None})).allows(*said) == allowed


def test_a_right_label_costs_nothing_and_others_the_default() -> None:
    rule = _under(promised(), costs={"P0": {"P2": 9}}, human=3)
    assert rule.price_CC is not None
    assert rule.price_CC.tolist() == [[0, 1, 9], [1, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"costs": {"P9": {"P1": 2}}, "human": 1}, r"urgency\.costs: .*P0, P1, P2, found P9"),
        ({"costs": {"P0": {"P9": 2}}, "human": 1}, r"urgency\.costs: .*P0, P1, P2, found P9"),
        ({"costs": PAGES}, r"urgency\.costs: .*choose: expected_cost or human"),
        ({"choose": "expected_cost"}, r"urgency\.choose: needs costs"),
        ({"human": 3}, r"urgency\.human: needs costs"),
        ({"suggest": 0.95}, r"urgency\.suggest: 0\.95 must not exceed auto, which is 0\.9"),
    ],
)
def test_what_does_not_fit_the_bundle_is_refused_with_its_key(
    asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _under(promised(auto=0.9), **asked)


confidences = st.floats(0, 1)
thresholds = st.one_of(
    st.none(),
    st.builds(
        lambda pair, by_label, choice, promise: Threshold(
            auto=max(pair),
            suggest=min(pair),
            by_label=by_label,
            choose=choice,
            costs=costs(3),
            promise=promise,
        ),
        st.tuples(confidences, confidences),
        st.dictionaries(st.sampled_from(TASK.labels), st.one_of(st.none(), confidences)),
        st.sampled_from(["probability", "expected_cost"]),
        st.sampled_from([None, PRECISION, COVERAGE, LEAST_COST]),
    ),
)
policies = st.fixed_dictionaries(
    {},
    optional={
        "auto": confidences,
        "suggest": confidences,
        "choose": st.sampled_from(["probability", "expected_cost"]),
        "costs": st.sampled_from([PAGES, {"default": 1}, {"P2": {"P0": 7}}]),
        "human": st.floats(0, 10),
        "may_loosen": st.booleans(),
    },
)
rows = st.lists(st.floats(0.001, 1), min_size=3, max_size=3)


def _tried(threshold: Threshold | None, asked: dict[str, Any]) -> Rule | None:
    """The rule; None where the policy is refused."""
    try:
        return _under(threshold, **asked)
    except ValueError:
        return None


@given(thresholds, policies, rows)
def test_no_policy_makes_auto_what_the_bundle_alone_would_not_unless_it_says_so(
    threshold: Threshold | None, asked: dict[str, Any], row: list[float]
) -> None:
    rule = _tried(threshold, asked)
    if rule is None:
        return
    probabilities = (np.array(row) / sum(row)).astype(np.float32)
    alone, found = (decide(one, probabilities) for one in (rule_of(TASK, threshold), rule))
    if rule.price_CC is None:
        assert rule.allows(found.label, found.confidence, found.decision)
    if found.decision == "auto" and alone.decision != "auto":
        assert (asked["may_loosen"], found.promise) == (True, "loosened")
    if found.promise in ("kept", "tightened"):
        assert found.label == alone.label
        assert (np.array(rule.auto_C) >= np.array(rule_of(TASK, threshold).auto_C)).all()
    assert decide(rule, probabilities, inside=False).decision == "human"


@given(thresholds, policies)
def test_a_promise_is_spoken_of_only_where_the_bundle_made_one_or_a_policy_loosened(
    threshold: Threshold | None, asked: dict[str, Any]
) -> None:
    rule = _tried(threshold, asked)
    if rule is None or rule.promise is None:
        return
    if rule.promise == "loosened":
        assert asked["may_loosen"]
    else:
        assert threshold is not None
        assert threshold.promise is not None
