"""What a report finds in simulated cases with planted effects."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from statsmodels.stats.contingency_tables import mcnemar

from service.errors import UnknownLegacy
from service.ledger.records import Case
from service.ledger.store import Store
from service.shadow.plan import Guard, TaskPlan
from service.shadow.report import Report, build, read_report
from tests.service.shadow.cases import DAY_S, START, World, simulate, turned
from tests.service.shadow.met import END, met, plan_of, registered, report_on

GAIN = World(gap=0.04, tickets_a_day=250)


def test_a_planted_gain_is_promoted_and_a_planted_loss_rolled_back() -> None:
    assert report_on(simulate(GAIN)).overall.verdict == "promote"
    loss = report_on(simulate(replace(GAIN, gap=-0.04)))
    assert loss.overall.verdict == "roll_back"


def test_too_few_labels_keep_it_in_shadow_and_say_how_many_are_missing() -> None:
    report = report_on(simulate(replace(GAIN, days=3.0)))
    assert report.overall.verdict == "keep"
    needed = report.overall.labels_needed
    assert needed is not None
    assert 0 < needed < 5_000


def test_changing_seats_changes_nothing_about_the_challenger() -> None:
    cases = simulate(replace(GAIN, lost=0.0))
    before, after = (report_on(one).tasks[0] for one in (cases, turned(cases)))
    for part in ("judgement", "accuracy", "test", "matrix", "pairs", "days", "kappa"):
        assert getattr(before, part) == getattr(after, part)


def test_the_order_of_the_cases_does_not_matter() -> None:
    cases = simulate(replace(GAIN, tickets_a_day=60))
    facts = met(cases)
    one, other = (build(facts, {"category": seen}, END) for seen in (cases, cases[::-1]))
    assert one == other


def test_it_survives_json() -> None:
    report = report_on(simulate(replace(GAIN, tickets_a_day=60)))
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_a_task_without_cases_is_kept_in_shadow() -> None:
    report = build(met([], registered(START, plan_of())), {}, END)
    task = report.tasks[0]
    assert (report.overall.verdict, task.disagreement.rate, task.accuracy.gap) == ("keep",) + (
        None,
    ) * 2
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_counts_add_up() -> None:
    task = report_on(simulate(GAIN)).tasks[0]
    assert sum(one.count for one in task.outcomes) == task.recorded == task.cases
    assert sum(map(sum, task.matrix.counts)) == task.disagreement.n
    assert sum(day.n for day in task.days) == task.disagreement.n
    assert sum(pair.share for pair in task.pairs) == pytest.approx(1.0, abs=0.1)
    assert len(task.test.path) <= 200
    assert task.test.path[-1].n == task.test.labels == task.labels


def test_a_long_history_is_drawn_in_sixty_points() -> None:
    task = report_on(simulate(World(days=200.0, tickets_a_day=5))).tasks[0]
    assert len(task.days) <= 60
    assert {day.days for day in task.days} == {4}


def test_mcnemar_is_asked_once_about_exactly_the_first_labels() -> None:
    plan = TaskPlan(horizon=500)
    task = report_on(simulate(GAIN), plan).tasks[0]
    found = task.test.mcnemar
    assert found is not None
    assert found.counts is not None
    counts = found.counts
    assert counts.n == 500
    table = [[counts.both, counts.challenger], [counts.incumbent, counts.neither]]
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
    later = report_on(simulate(replace(GAIN, days=28.0)), plan).tasks[0].test.mcnemar
    assert later is not None
    early = report_on(simulate(replace(GAIN, days=1.0)), plan).tasks[0].test.mcnemar
    assert early is not None
    assert (early.reached, early.p_value, early.counts) == (False, None, None)


def test_a_planted_regression_is_the_worst_segment_and_its_guard_holds_promotion_back() -> None:
    guard = Guard(dimension="category", value="billing", margin=0.01)
    cases = simulate(World(gap=0.08, discordance=0.1, regression=0.2, tickets_a_day=300))
    task = report_on(cases, TaskPlan(guards=(guard,))).tasks[0]
    assert (task.worse[0].dimension, task.worse[0].value) == ("category", "billing")
    assert task.worse[0].p_adjusted < 0.05
    assert task.test.sides[0].proven
    assert (task.judgement.verdict, task.guards[0].state) == ("keep", "violated")


def test_final_labels_in_other_words_than_the_models_are_suspected() -> None:
    cases = [
        replace(case, final_label="Abrechnung") if case.final_label else case
        for case in simulate(replace(GAIN, tickets_a_day=20))
    ]
    assert "in the task's words?" in report_on(cases).tasks[0].judgement.reasons[0]


def test_a_guard_with_few_labels_waits_for_more() -> None:
    guard = Guard(dimension="channel", value="fax")
    task = report_on(simulate(GAIN), TaskPlan(guards=(guard,))).tasks[0]
    assert (task.guards[0].state, task.judgement.labels_needed) == ("too_few_labels", 30)


def reviewed(cases: Sequence[Case]) -> list[Case]:
    """Every disagreement was labelled in the review queue."""
    return [
        replace(case, source="review")
        if case.final_label and case.primary_label != case.legacy_label
        else case
        for case in cases
    ]


@pytest.mark.parametrize("criterion", ["superiority", "non_inferiority", "equivalence"])
def test_labels_from_the_review_queue_count_for_no_test(criterion: str) -> None:
    plan = TaskPlan.model_validate({"criterion": criterion, "margin": 0.01})
    task = report_on(reviewed(simulate(replace(GAIN, lost=0.0))), plan).tasks[0]
    assert task.labels_from_review > 0
    assert task.accuracy.counts.n == task.labels - task.labels_from_review
    used = task.labels - task.labels_from_review
    assert (task.test.labels, task.test.left_out_review) == (used, task.labels_from_review)


def without_ticket(cases: Sequence[Case]) -> list[Case]:
    """Callers who name no ticket; the label is given by request id."""
    return [replace(case, ticket_id=None) for case in cases]


def test_a_request_that_was_tried_again_counts_once() -> None:
    once = without_ticket(simulate(replace(GAIN, tickets_a_day=60)))
    again = [replace(case, decision_id=case.decision_id + "-", at=case.at + 1.0) for case in once]
    one, both = (report_on(cases).tasks[0] for cases in (once, [*once, *again]))
    assert both.labels == one.labels
    assert both.accuracy == one.accuracy
    assert both.test.sides[0].log_wealth == one.test.sides[0].log_wealth


@pytest.mark.parametrize(("share", "state"), [(0.05, "passed"), (0.3, "strong")])
def test_reviewed_disagreements_that_a_margin_misses_hold_promotion_back(
    share: float, state: str
) -> None:
    cases = simulate(World(gap=-0.01, discordance=0.1, labelled=0.8, lost=0.0))
    apart = [case for case in cases if case.final_label and case.primary_label != case.legacy_label]
    chosen = {case.decision_id for case in apart[: int(share * len(apart))]}
    seen = [
        replace(case, source="review") if case.decision_id in chosen else case for case in cases
    ]
    plan = TaskPlan(criterion="non_inferiority", margin=0.01)
    check = report_on(seen, plan).tasks[0].checks[1]
    rows = {row.dimension: row for row in check.rows}
    assert rows["agreement"].strong == (state == "strong")
    superior = {row.dimension: row for row in report_on(seen).tasks[0].checks[1].rows}
    assert not superior["agreement"].strong


def test_a_changed_plan_counts_later_tickets_only_and_a_turned_role_changes_no_plan() -> None:
    cases = simulate(GAIN)
    first, second = plan_of(), plan_of(alpha=0.01)
    half = START + 7 * DAY_S
    turned_round = second.model_copy(update={"role": "challenger"})
    facts = met(
        cases,
        registered(START, first),
        registered(half, second),
        registered(half + DAY_S, turned_round),
    )
    report = build(facts, {"category": cases}, END)
    assert (report.plan.revisions, report.plan.registered_at) == (1, half)
    later = [
        case
        for case in cases
        if case.outcome == "compared" and case.final_label and case.at >= half
    ]
    assert report.tasks[0].test.labels == len(later)
    assert report.tasks[0].test.left_out_early == report.tasks[0].labels - len(later)


def test_answers_that_were_lost_one_sidedly_hold_promotion_back() -> None:
    task = report_on(simulate(replace(GAIN, lost=0.08, biased=True))).tasks[0]
    check = next(one for one in task.checks if one.name == "drop_bias")
    assert check.state == "strong"
    assert [row.dimension for row in check.rows if row.strong] == ["language"]
    assert task.judgement.verdict == "keep"


def test_labels_of_unsure_tickets_alone_hold_promotion_back() -> None:
    cases = [
        case
        if case.primary_confidence < 0.9
        else replace(case, final_label=None, labelled_at=None, source=None, finals={})
        for case in simulate(replace(GAIN, gap=0.05))
    ]
    task = report_on(cases).tasks[0]
    assert any("confidence" in reason for reason in task.judgement.reasons)
    assert task.judgement.verdict == "keep"


def test_another_legacy_gives_the_noise_floor() -> None:
    cases = simulate(replace(GAIN, tickets_a_day=60))
    theirs = [replace(case, legacy="crm", legacy_label="sales") for case in cases[:100]]
    report = build(met(cases), {"category": cases}, END, {"category": {"crm": theirs}})
    noise = report.tasks[0].noise[0]
    both = [case for case in cases[:100] if case.outcome == "compared"]
    assert (noise.other, noise.n) == ("crm", len(both))
    assert noise.count == sum(case.legacy_label != "sales" for case in both)


def test_text_is_shown_cut_and_only_where_it_is_given() -> None:
    cases = simulate(replace(GAIN, tickets_a_day=60))

    def texts(ids: object) -> dict[str, tuple[str, str]]:
        return {cases[0].decision_id: ("s", "b")} | dict.fromkeys(ids, ("s" * 500, "b\n" * 500))  # type: ignore[attr-defined]

    task = build(met(cases), {"category": cases}, END, texts=texts).tasks[0]
    assert len(task.top[0].subject or "") == 120
    assert len(task.top[0].excerpt or "") <= 280
    assert report_on(cases).tasks[0].top[0].subject is None


def test_an_unknown_legacy_is_refused(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        with pytest.raises(UnknownLegacy):
            read_report(store)
        store.register(registered(START, plan_of()))
        assert read_report(store).overall.verdict == "keep"
        with pytest.raises(UnknownLegacy, match="no comparison with crm"):
            read_report(store, "crm")
