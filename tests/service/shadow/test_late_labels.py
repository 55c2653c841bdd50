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
from service.shadow.findings.labelled import Labels, admit, is_labelled
from service.shadow.report import build
from service.statistics.eprocess import evidence
from tests.service.shadow.cases import DAY_S, START, World, simulate
from tests.service.shadow.met import met, plan_of, registered

DAYS, A_DAY, RUNS = 14, 30, 100
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


def test_a_change_of_the_age_is_a_new_test() -> None:
    plans = [plan_of().model_copy(update={"maturity_days": days}) for days in (3.0, 1.0)]
    cases = late(hours=1.0)
    stated = [registered(START + number * DAY_S, plan) for number, plan in enumerate(plans)]
    force = build(met(cases, *stated), {"category": cases}, NOW).plan
    assert (force.revisions, force.registered_at) == (1, START + DAY_S)
