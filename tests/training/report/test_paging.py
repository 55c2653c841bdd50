"""Paging: how many, how many of them false, and what is missed."""

from dataclasses import replace

import numpy as np

from service.contract.tasks import Task
from service.statistics.intervals import clopper_pearson
from tests.training.report.runs import QUEUE, URGENCY, usual
from training.report.outcome import Outcome, outcome
from training.report.paging import RATIOS, pages, paging

CHANCE = np.array([0.9, 0.5, 0.2, 0.04, 0.01])
URGENT = np.array([True, False, True, False, False])


def seen(task: Task) -> Outcome:
    run = usual()
    found = outcome(task, run.facts.calibration[task.name], run.predictions, "test")
    assert found is not None
    return found


def test_pages_and_misses_are_counted_from_the_threshold_on() -> None:
    row = pages(CHANCE, URGENT, ratio=1, tickets_a_week=100.0)
    assert (row.threshold, row.pages, row.false) == (0.5, 40.0, 20.0)
    assert (row.right, row.missed, row.missed_a_week) == (0.5, 0.5, 20.0)
    assert row.right_interval == row.missed_interval == clopper_pearson(1, 2)


def test_nobody_is_paged_where_no_ticket_reaches_the_threshold() -> None:
    row = pages(CHANCE / 10.0, URGENT, ratio=1, tickets_a_week=100.0)
    assert (row.pages, row.right, row.right_interval, row.missed) == (0.0, None, None, 1.0)


def test_the_dearer_a_miss_the_more_pages_and_the_fewer_misses() -> None:
    found = paging(seen(URGENCY), 5000)
    assert found is not None
    assert [row.ratio for row in found.rows] == list(RATIOS)
    assert [row.pages for row in found.rows] == sorted(row.pages for row in found.rows)
    assert [row.missed for row in found.rows] == sorted(
        (row.missed for row in found.rows), reverse=True
    )


def test_with_calibrated_chances_the_threshold_of_a_ratio_costs_least() -> None:
    one = seen(URGENCY)
    chance_N, urgent_N = one.after_NC[:, 0], one.labels_N == 0
    rows = [pages(chance_N, urgent_N, ratio, 5000.0) for ratio in RATIOS]
    costs = [row.false + 10 * row.missed_a_week for row in rows]
    assert costs[RATIOS.index(10)] <= 1.1 * min(costs)
    assert costs[RATIOS.index(10)] < costs[0]


def test_labels_without_an_order_page_nobody() -> None:
    assert paging(seen(QUEUE), 5000) is None


def test_without_an_urgent_test_ticket_nothing_is_drawn() -> None:
    one = seen(URGENCY)
    found = paging(replace(one, labels_N=np.maximum(one.labels_N, 1)), 5000)
    assert found is not None
    assert (found.urgent, found.rows, found.plot) == (0, (), None)
