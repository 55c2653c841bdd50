"""Thresholds: every figure of the table is what the statistics say."""

import re
from dataclasses import replace

import numpy as np
import pytest

from service.contract.promises import Threshold
from service.statistics.intervals import clopper_pearson
from tests.training.report.runs import QUEUE, usual, usual_page
from training.report.decisions import GRID, automatic, decided, decisions
from training.report.formats import count, percent, span
from training.report.outcome import Told, outcome

LABELS = ("a", "b")
TOLD = Told(
    chosen_N=np.array([0, 0, 0, 1, 1]),
    confidence_N=np.array([0.95, 0.90, 0.60, 0.90, 0.40]),
    right_N=np.array([True, True, False, False, True]),
    inside_N=np.ones(5, dtype=bool),
)


def told() -> Told:
    run = usual()
    found = outcome(QUEUE, run.facts.calibration["queue"], run.predictions, "test")
    assert found is not None
    return found.told()


def test_every_figure_of_the_page_s_table_is_what_the_statistics_say() -> None:
    section = usual_page().partition("Thresholds at 5,000")[2]
    rows = re.findall(r"<tr><td.*?</tr>", section.partition("</tbody>")[0], re.DOTALL)
    assert len(rows) == len(GRID)
    seen = told()
    for row, threshold in zip(rows, GRID, strict=True):
        auto_N = seen.confidence_N >= threshold
        n, right = int(auto_N.sum()), int(seen.right_N[auto_N].sum())
        week = 5000 / len(auto_N)
        suggested = int((seen.confidence_N >= 0.5).sum()) - n
        assert re.findall(r'"n">([^<]*?)\s*(?=<)', row) == [
            f"{threshold:.2f}",
            percent(right / n),
            span(clopper_pearson(right, n)),
            percent(n / len(auto_N)),
            count(n * week),
            count(suggested * week),
            count((len(auto_N) - n - suggested) * week),
            count((n - right) * week),
        ]


def test_auto_suggest_and_human_are_all_tickets_of_the_week() -> None:
    for row in decisions(told(), QUEUE.labels, 5000, Threshold(auto=0.93, suggest=0.4)):
        assert row.auto + row.suggest + row.human == pytest.approx(5000)
        assert row.wrong <= row.auto


def test_the_promised_row_stands_in_its_place() -> None:
    rows = decisions(told(), QUEUE.labels, 5000, Threshold(auto=0.93))
    assert [row.threshold for row in rows] == sorted([*GRID, 0.93])
    assert [row.threshold for row in rows if row.promised] == [0.93]


def test_a_confidence_at_the_threshold_is_auto() -> None:
    assert automatic(TOLD, LABELS, Threshold(auto=0.9)).tolist() == [True, True, False, True, False]


def test_a_label_s_own_threshold_counts_and_none_means_never() -> None:
    rule = Threshold(auto=0.9, by_label={"a": 0.6, "b": None})
    assert automatic(TOLD, LABELS, rule).tolist() == [True, True, True, False, False]


def test_where_nothing_is_auto_there_is_no_precision() -> None:
    row = decided(TOLD, LABELS, 10.0, Threshold(auto=1.0, suggest=0.5), promised=False)
    assert (row.accepted, row.precision, row.interval) == (0, None, None)
    assert (row.suggest, row.human) == (8.0, 2.0)


def test_a_ticket_out_of_scope_is_for_a_human_however_sure_its_label() -> None:
    told = replace(TOLD, inside_N=np.array([False, True, True, False, True]))
    row = decided(told, LABELS, 10.0, Threshold(auto=0.9, suggest=0.5), promised=False)
    assert (row.accepted, row.right, row.coverage) == (1, 1, 0.2)
    assert (row.auto, row.suggest, row.human) == (2.0, 2.0, 6.0)
