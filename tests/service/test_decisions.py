"""What a confidence allows, and what the reply says about it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.contract.bundle import Threshold
from service.contract.tasks import Task
from service.decisions import decide, decision

TASK = Task(name="queue", labels=("payments", "platform", "desk"))


def test_the_most_probable_label_wins_and_the_rest_follow_in_order() -> None:
    found = decide(TASK, np.array([0.2, 0.7, 0.1], np.float32), None)
    assert (found.label, found.confidence) == ("platform", 0.7)
    assert [other.label for other in found.alternatives] == ["payments", "desk"]


def test_of_equal_probabilities_the_first_label_wins() -> None:
    assert decide(TASK, np.array([0.4, 0.4, 0.2], np.float32), None).label == "payments"


def test_top_k_counts_the_predicted_label() -> None:
    probabilities = np.array([0.2, 0.7, 0.1], np.float32)
    assert len(decide(TASK, probabilities, None, top_k=1).alternatives) == 0
    assert len(decide(TASK, probabilities, None, top_k=2).alternatives) == 1
    assert len(decide(TASK, probabilities, None, top_k=100).alternatives) == 2


def test_without_a_promise_a_human_decides() -> None:
    found = decide(TASK, np.array([0.0, 1.0, 0.0], np.float32), None)
    assert (found.decision, found.threshold) == ("human", None)


def test_a_confidence_that_equals_a_threshold_reaches_it() -> None:
    threshold = Threshold(auto=0.9, suggest=0.5)
    assert decision(0.9, threshold) == "auto"
    assert decision(0.899999, threshold) == "suggest"
    assert decision(0.5, threshold) == "suggest"
    assert decision(0.499999, threshold) == "human"


def test_the_decision_follows_from_the_numbers_in_the_reply() -> None:
    just_below = np.array([0.88 - 1e-8, 0.12, 0.0])
    found = decide(TASK, just_below, Threshold(auto=0.88))
    assert (found.confidence, found.decision) == (0.88, "auto")


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_confidence_never_allows_less(a: float, b: float, one: float, other: float) -> None:
    threshold = Threshold(auto=max(one, other), suggest=min(one, other))
    order = ["human", "suggest", "auto"]
    low, high = sorted((a, b))
    assert order.index(decision(low, threshold)) <= order.index(decision(high, threshold))
