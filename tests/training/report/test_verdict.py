"""The verdict: ahead, calibrated and promised only where the figures show it."""

from collections.abc import Mapping

import numpy as np
import pytest

from service.contract.promises import Evidence, Promise, Share, Threshold
from training.report.decisions import decided
from training.report.outcome import Told
from training.report.promised import TARGETS, Offer, Promised
from training.report.quality import qualities
from training.report.verdict import Verdict, headline, verdicts

GOOD = {
    "n": 3000.0,
    "accuracy": 0.9,
    "accuracy_low": 0.89,
    "accuracy_high": 0.91,
    "macro_f1": 0.88,
    "ece_debiased": 0.008,
    "ece_low": 0.002,
    "ece_high": 0.014,
    "ece_p": 0.4,
}
BASELINE = {"n": 3000.0, "accuracy": 0.8, "accuracy_low": 0.78, "accuracy_high": 0.82}


def offer(best: float) -> Promised:
    offers = [Offer(one, 0.9 if one <= best else None, 100, 0.4, None) for one in TARGETS]
    return Promised(1500, 15, 0.95, tuple(offers))


def sure(right: int) -> Told:
    """1,000 tickets of one confidence, of which so many are right."""
    every_N = np.ones(1000, dtype=bool)
    return Told(np.zeros(1000, int), np.full(1000, 0.99), np.arange(1000) < right, every_N)


def judged(
    harbor: Mapping[str, float] = GOOD,
    baseline: Mapping[str, float] = BASELINE,
    promised: Promised | None = None,
) -> Verdict:
    return verdicts([("queue", qualities({"test": harbor, "tfidf": baseline}), promised)])[0]


def test_a_good_task_is_said_to_be_good_with_its_figures() -> None:
    found = judged(promised=offer(0.97))
    assert [found.skill.tone, found.trust.tone, found.promise.tone] == ["good"] * 3
    assert "Right on 90.0\xa0% of 3,000 test tickets" in found.skill.said
    assert "debiased ECE 0.008 (0.002 to 0.014), consistency p = 0.40" in found.trust.said
    assert "97\xa0% precision is shown on its own, for 40\xa0% of tickets" in found.promise.said
    assert "ask for it as a promise" in found.promise.said


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.80, 0.88, "ahead"), (0.86, 0.895, "level"), (0.92, 0.95, "behind")]
)
def test_ahead_and_behind_need_intervals_that_do_not_meet(
    low: float, high: float, word: str
) -> None:
    baseline = {**BASELINE, "accuracy_low": low, "accuracy_high": high}
    assert judged(baseline=baseline).skill.word == word


def test_the_best_baseline_is_the_one_that_counts() -> None:
    weak = {**BASELINE, "accuracy": 0.3}
    rows = qualities({"test": GOOD, "majority": weak, "tfidf": BASELINE})
    found = verdicts([("queue", rows, None)])[0]
    assert "TF-IDF + logistic regression, is right on 80.0" in found.skill.said


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "calibrated"),
        ({"ece_p": 0.01}, "nearly"),
        ({"ece_p": 0.01, "ece_debiased": 0.03}, "off"),
        ({"ece_high": 0.09}, "no fault found"),
    ],
)
def test_confidences_are_believed_only_where_they_are_shown_right(
    changes: dict[str, float], word: str
) -> None:
    assert judged({**GOOD, **changes}).trust.word == word


def test_an_old_report_without_a_test_is_untested() -> None:
    old = {name: value for name, value in GOOD.items() if name not in ("ece_p", "ece_low")}
    assert judged(old).trust.word == "untested"


def test_the_p_values_are_adjusted_for_the_number_of_tasks() -> None:
    rows = qualities({"test": {**GOOD, "ece_p": 0.03, "ece_debiased": 0.03}})
    alone = verdicts([("queue", rows, None)])
    both = verdicts([("queue", rows, None), ("category", rows, None)])
    assert [one.trust.word for one in (*alone, *both)] == ["off", "calibrated", "calibrated"]


@pytest.mark.parametrize(("best", "word"), [(0.0, "none"), (0.9, "90\xa0%"), (0.99, "97\xa0%")])
def test_the_promise_is_the_highest_precision_that_is_shown(best: float, word: str) -> None:
    assert judged(promised=offer(best)).promise.word == word


@pytest.mark.parametrize(("right", "word"), [(900, "not kept"), (1000, "shown")])
def test_a_promise_that_the_test_split_denies_is_not_called_shown(right: int, word: str) -> None:
    told = sure(right)
    evidence = Evidence(
        tickets=9, accepted=9, right=9, precision=None, coverage=Share(value=1, low=0.7, high=1)
    )
    promise = Promise(kind="precision", target=0.97, evidence=evidence)
    threshold = Threshold(auto=0.9, promise=promise)
    seen = decided(told, ("a",), 5000, threshold, promised=True)
    found = Promised(9, 0, 0.95, (), "auto is right", threshold, seen=seen)
    assert judged(promised=found).promise.word == word


def test_an_offer_that_the_test_split_denies_is_no_offer() -> None:
    told = sure(850)
    seen = decided(told, ("a",), 5000, Threshold(auto=0.9), promised=True)
    offers = (Offer(0.9, 0.9, 29, 0.4, seen), Offer(0.97, None, 99, 0.0, None))
    found = Promised(9, 0, 0.95, offers)
    verdict = judged(promised=found)
    assert (verdict.promise.word, verdict.promise.tone) == ("not kept", "bad")
    assert "the test split denies it: 85.0\xa0% right" in verdict.promise.said
    assert "The test split denies what was to be promised on queue." in headline([verdict])


def test_a_task_without_a_test_label_has_no_verdict() -> None:
    found = judged({"n": 0.0})
    assert (found.skill.word, found.trust.word) == ("not measured", "not measured")


def test_the_headline_names_the_tasks_of_each_finding() -> None:
    rows = qualities({"test": GOOD, "tfidf": BASELINE})
    off = qualities({"test": {**GOOD, "ece_p": 0.001, "ece_debiased": 0.2}, "tfidf": GOOD})
    found = verdicts(
        [("queue", rows, offer(0.97)), ("urgency", off, offer(0.8)), ("team", rows, offer(0.0))]
    )
    assert headline(found).replace("\xa0", " ") == (
        "Ahead of every baseline on queue and team, level with a baseline on urgency. "
        "Confidences are off on urgency, confidences mean what they say on queue and team. "
        "97 % precision is shown on queue, 80 % precision is shown on urgency, "
        "not even 80 % precision is shown on team."
    )
