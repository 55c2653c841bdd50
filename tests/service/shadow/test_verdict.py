"""When a challenger is promoted, kept in shadow or rolled back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.shadow.verdict import judge, judge_task
from tests.service.shadow.evidence import checked, guarded, judged, side, trial

STATES = st.lists(st.sampled_from(["holds", "violated", "too_few_labels"]), max_size=3)
CHECKS = st.lists(st.sampled_from(["passed", "weak", "strong", "too_few"]), max_size=2)
VERDICTS = st.sampled_from(["promote", "keep", "roll_back"])


@given(st.booleans(), st.booleans(), STATES, CHECKS)
def test_promoting_needs_proof_whole_guards_and_unbiased_cases(
    good: bool, bad: bool, guards: list[str], checks: list[str]
) -> None:
    test = trial(side(good, 4.0), side(bad, 1.0, above=False))
    found = judge_task(test, [*map(guarded, guards)], [*map(checked, checks)], (10, None))
    wanted = good and set(guards) <= {"holds"} and "strong" not in checks
    assert (found.verdict == "promote") == wanted
    assert found.reasons


@given(st.booleans(), STATES, CHECKS)
def test_what_is_proven_worse_is_rolled_back_whatever_the_guards_say(
    good: bool, guards: list[str], checks: list[str]
) -> None:
    test = trial(side(good, 1.0), side(True, 4.0, above=False))
    found = judge_task(test, [*map(guarded, guards)], [*map(checked, checks)])
    assert found.verdict == "roll_back"
    assert any("other way" in reason for reason in found.reasons) == good


def test_old_evidence_against_it_yields_to_stronger_evidence_for_it() -> None:
    test = trial(side(True, 9.0), side(True, 1.0, above=False))
    assert judge_task(test, (), ()).verdict == "promote"


@pytest.mark.parametrize(("gap", "verdict"), [(0.02, "promote"), (0.0, "keep"), (-0.02, "keep")])
def test_a_proof_is_void_once_the_gap_is_on_its_other_side(gap: float, verdict: str) -> None:
    test = trial(side(True, 1.0), side(False, above=False), gap=gap)
    found = judge_task(test, (), (), (70, None))
    assert (found.verdict, found.labels_needed is None) == (verdict, verdict == "keep")


@given(st.booleans(), st.booleans())
def test_a_test_without_its_first_labels_gives_no_verdict(good: bool, bad: bool) -> None:
    test = trial(side(good, 4.0), side(bad, 4.0, above=False))
    found = judge_task(test, (), (), (10, 10), beheaded=True)
    assert (found.verdict, found.labels_needed) == ("keep", None)
    assert "first labels of the test are missing" in found.reasons[0]


@pytest.mark.parametrize("upper", [True, False])
def test_equivalence_needs_both_bounds(upper: bool) -> None:
    sides = (side(True, 4.0, -0.01), side(False, -4.0, -0.01, False), side(upper, 4.0, 0.01, False))
    found = judge_task(trial(*sides, criterion="equivalence"), (), (), (0, None))
    assert found.verdict == ("promote" if upper else "keep")


def test_a_violated_guard_is_not_outwaited_by_more_labels() -> None:
    test = trial(side(True, 4.0), side(False, above=False))
    found = judge_task(test, [guarded("violated")], (), (50, None))
    assert (found.verdict, found.labels_needed) == ("keep", None)
    assert "Guard category = outage is violated: -20.0 points" in found.reasons[-1]


def test_a_guard_that_lacks_labels_says_how_many() -> None:
    test = trial(side(True, 4.0), side(False, above=False))
    assert judge_task(test, [guarded("too_few_labels", n=12)], ()).labels_needed == 18


@pytest.mark.parametrize(
    ("needed", "wanted"), [((120, None), 120), ((None, 70), 70), ((None, None), None)]
)
def test_an_open_test_says_how_many_labels_decide_it(
    needed: tuple[int | None, int | None], wanted: int | None
) -> None:
    found = judge_task(trial(side(False), side(False, above=False)), (), (), needed)
    assert (found.verdict, found.labels_needed) == ("keep", wanted)


@pytest.mark.parametrize(("delay_s", "causes"), [(None, 0), (10 * 86_400.0, 1)])
@pytest.mark.parametrize("labels", [0, 1000])
def test_labels_that_wait_are_named_with_their_age_and_its_cause(
    labels: int, delay_s: float | None, causes: int
) -> None:
    test = trial(side(False), side(False, above=False), labels=labels)
    ages = {"left_out_recent": 1200, "matured_s": 25 * 86_400.0, "delay_s": delay_s}
    before, after = (
        judge_task(one, (), (), (70, None)).reasons for one in (test, test.model_copy(update=ages))
    )
    assert len(after) == (1 if labels == 0 else len(before)) + 1 + causes
    assert "younger than 25.0 days, 1,200, are there" in " ".join(after)
    assert ("took up to 10.0 days" in after[-1]) == bool(causes)


def test_without_labels_it_says_so() -> None:
    found = judge_task(trial(side(False), side(False, above=False), labels=0), (), ())
    assert found.reasons == ("No final label counts for this test yet.",)


@given(st.dictionaries(st.sampled_from("abcdef"), VERDICTS, min_size=1))
def test_all_tasks_are_needed_to_promote_and_one_to_roll_back(verdicts: dict[str, str]) -> None:
    found = judge({task: judged(verdict) for task, verdict in verdicts.items()}).verdict
    assert (found == "roll_back") == ("roll_back" in verdicts.values())
    assert (found == "promote") == (set(verdicts.values()) == {"promote"})


def test_the_slowest_task_says_how_many_labels_are_needed() -> None:
    tasks = {"a": judged("keep", 10), "b": judged("keep", 500), "c": judged("promote", 0)}
    assert judge(tasks).labels_needed == 500
    assert judge({**tasks, "d": judged("keep", None)}).labels_needed is None
    assert judge({}).verdict == "keep"
