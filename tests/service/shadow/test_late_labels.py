"""Labels that come later where the challenger was wrong: when a ticket counts, and what holds back.

Shapes: N tickets that one of the two models alone has right.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from service.ledger.records import Case
from service.shadow.findings.document import TaskReport
from service.shadow.findings.evidence import differences
from service.shadow.findings.labelled import Labels, admit, is_labelled, maturity
from service.shadow.report import build
from service.statistics.eprocess import evidence
from tests.service.shadow.cases import DAY_S, START, World, simulate
from tests.service.shadow.met import met, plan_of, registered

DAYS, A_DAY, RUNS = 14, 30, 60
MATURITY_DAYS = 3.0
NOW = START + 14 * DAY_S

Rule = Callable[[Labels, float], Labels]
"""Labels in the order in which they arrived, and the time; which of them count, in which order."""


def as_they_come(labels: Labels, _: float) -> Labels:
    return labels


def when_mature(labels: Labels, now: float) -> Labels:
    order_N = np.argsort(labels.at_N, kind="stable")
    return admit(labels.among(order_N), now, MATURITY_DAYS).labels


def promoted(rule: Rule, wins: float, late_days: tuple[float, float]) -> float:
    """Share of fortnights with a proof at any look, one every twelve hours.

    wins: share of the tickets that the challenger has right. late_days: how much later than others
    come the labels of those that it has wrong; all take some hours.
    """
    return sum(_is_promoted(rule, wins, late_days, run) for run in range(RUNS)) / RUNS


def _is_promoted(rule: Rule, wins: float, late_days: tuple[float, float], run: int) -> bool:
    chance = np.random.default_rng((4, run))
    at_N = np.sort(chance.uniform(0.0, DAYS, DAYS * A_DAY))
    won_N = chance.random(len(at_N)) < wins
    arrived_N = at_N + chance.exponential(1 / 8, len(at_N))
    arrived_N = arrived_N + ~won_N * chance.uniform(*late_days, len(at_N))
    order_N = np.argsort(arrived_N)
    at_N, won_N, arrived_N = at_N[order_N], won_N[order_N], arrived_N[order_N]
    for now in np.arange(0.5, DAYS + 0.5, 0.5):
        n = int(np.searchsorted(arrived_N, now))
        nothing = np.zeros(n, dtype=bool), np.zeros((0, n), dtype=bool)
        counted = rule(
            Labels(at_N[:n], arrived_N[:n] - at_N[:n], won_N[:n], ~won_N[:n], *nothing), now
        )
        gains_N = differences(counted)
        if evidence(gains_N).crossed_at is not None and gains_N.sum() > 0:
            return True
    return False


@pytest.mark.parametrize("late_days", [(1.0, 2.5), (2.0, 6.0), (0.0, 12.0)])
def test_no_gap_is_seldom_promoted_though_the_challengers_mistakes_are_labelled_late(
    late_days: tuple[float, float],
) -> None:
    assert promoted(as_they_come, 0.5, late_days) > 0.5
    assert promoted(when_mature, 0.5, late_days) <= 0.08


def test_a_gain_is_still_seen_where_labels_come_within_a_day() -> None:
    before, after = (promoted(rule, 0.6, (0.0, 0.0)) for rule in (as_they_come, when_mature))
    assert before > 0.85
    assert after > 0.85 * before


def late(hours: float) -> list[Case]:
    """The labels of the challenger's mistakes come after one, two or three times so long."""
    cases = [
        replace(case, labelled_at=case.at + 3600.0 * hours * (1 + at % 3))
        if case.final_label and case.challenger_label != case.final_label
        else case
        for at, case in enumerate(simulate(World(gap=0.04, tickets_a_day=250, lost=0.0)))
    ]
    return [
        case
        if (case.labelled_at or 0.0) < NOW
        else replace(case, final_label=None, labelled_at=None, source=None, finals={})
        for case in cases
    ]


def report(cases: Sequence[Case], maturity_days: float) -> TaskReport:
    plan = plan_of().model_copy(update={"maturity_days": maturity_days})
    (task,) = build(met(cases, registered(START, plan)), {"category": cases}, NOW).tasks
    return task


def test_a_ticket_counts_once_it_is_as_old_as_the_plan_says() -> None:
    cases = late(hours=1.0)
    task = report(cases, 3.0)
    old = [case for case in cases if is_labelled(case) and case.at <= NOW - 3 * DAY_S]
    assert (task.test.labels, task.test.matured_s) == (len(old), 3 * DAY_S)
    assert task.test.left_out_recent == task.labels - len(old) > 0
    assert [look.at for look in task.test.path] == sorted(look.at for look in task.test.path)
    assert task.test.path[-1].at == old[-1].at
    assert task.judgement.verdict == "promote"


def test_the_age_grows_where_decisive_labels_are_seen_to_take_longer() -> None:
    task = report(late(hours=30.0), 3.0)
    assert task.test.matured_s == pytest.approx(2.5 * 90 * 3600.0)
    assert report(late(hours=30.0), 12.0).test.matured_s == 12 * DAY_S


@pytest.mark.parametrize(("hours", "held"), [(60.0, True), (1.0, False)])
def test_a_plan_that_does_not_wait_is_held_back_by_labels_that_come_late(
    hours: float, held: bool
) -> None:
    task = report(late(hours), 0.0)
    rows = {row.dimension: row for row in task.checks[1].rows}
    assert rows["label delay"].strong == held
    assert task.judgement.verdict == ("keep" if held else "promote")
    assert (task.test.matured_s, task.test.left_out_recent) == (0.0, 0)


def arriving(cases: Sequence[Case], days: float) -> list[Case]:
    """The labels came in bulk, so many days after the start."""
    return [
        replace(case, labelled_at=START + days * DAY_S) if case.final_label else case
        for case in cases
    ]


@pytest.mark.parametrize(("days", "age"), [(14.0, 2.5 * 12.6), (40.0, 60.0)])
def test_labels_that_came_in_bulk_raise_the_age_so_far_and_say_so(days: float, age: float) -> None:
    cases = arriving(late(hours=1.0), days)
    task = report(cases, 3.0)
    assert task.test.matured_s / DAY_S == pytest.approx(age, abs=1.0)
    assert (task.test.labels, task.judgement.verdict) == (0, "keep")
    reasons = " ".join(task.judgement.reasons)
    assert f"younger than {task.test.matured_s / DAY_S:.1f} days, {task.labels:,}," in reasons
    assert f"took up to {(task.test.delay_s or 0.0) / DAY_S:.1f} days" in reasons
    assert "set maturity_days: 0" in reasons
    assert report(cases, 0.0).judgement.verdict == "promote"


def decisive(wins: Sequence[float], losses: Sequence[float]) -> Labels:
    """Labels of which one model alone is right. wins, losses: days that each label took."""
    delays_N = np.array([*wins, *losses]) * DAY_S
    won_N = np.arange(len(delays_N)) < len(wins)
    nothing = np.zeros(len(delays_N), bool), np.zeros((0, len(delays_N)), bool)
    return Labels(np.zeros(len(delays_N)), delays_N, won_N, ~won_N, *nothing)


@pytest.mark.parametrize(
    ("wins", "losses", "days"),
    [
        ([40.0], [], 3.0),
        ([0.1] * 6, [4.0] * 3, 3.0),  # Nine are too few,
        ([0.1] * 6, [4.0] * 4, 10.0),  # ten are enough,
        ([0.1] * 300, [4.0] * 2, 10.0),  # and the slower model's count, however few they are.
        ([40.0] * 10, [40.0] * 10, 60.0),
        ([0.1] * 10, [1.0] * 10, 3.0),
    ],
)
def test_the_age_grows_by_ten_decisive_labels_and_to_sixty_days_at_most(
    wins: Sequence[float], losses: Sequence[float], days: float
) -> None:
    age = maturity(decisive(wins, losses), 3 * DAY_S)
    assert age.matured_s == pytest.approx(days * DAY_S)
    assert (age.delay_s is None) == (days == 3.0)


def test_labels_of_the_review_queue_never_wait_to_count() -> None:
    cases = [
        replace(case, source="review") if case.final_label and at % 3 == 0 else case
        for at, case in enumerate(late(hours=1.0))
    ]
    test = report(cases, 3.0).test
    own = [case for case in cases if is_labelled(case) and case.source == "agent"]
    recent = [case for case in own if case.at > NOW - 3 * DAY_S]
    assert test.left_out_recent == len(recent) > 0
    assert test.left_out_review == sum(is_labelled(case) for case in cases) - len(own)


def test_a_change_of_the_age_is_a_new_test() -> None:
    plans = [plan_of().model_copy(update={"maturity_days": days}) for days in (3.0, 1.0)]
    cases = late(hours=1.0)
    stated = [registered(START + number * DAY_S, plan) for number, plan in enumerate(plans)]
    force = build(met(cases, *stated), {"category": cases}, NOW).plan
    assert (force.revisions, force.registered_at) == (1, START + DAY_S)
