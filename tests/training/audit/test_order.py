"""Labels that follow the order of the file or of time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from statsmodels.sandbox.stats.runs import runstest_1samp

from tests.training.audit.planted import amended, labelled, material, of, rows
from training.audit import order
from training.audit.order import DRIFT, MISSING, RUNS, runs, tenths
from training.data.table import Row


def test_the_runs_test_agrees_with_statsmodels_on_two_labels() -> None:
    for seed in range(5):
        labels_N = np.random.default_rng(seed).integers(0, 2, 300)
        _, p = runstest_1samp(labels_N, cutoff=0.5, correction=False)
        assert runs(labels_N).p == pytest.approx(p, rel=1e-9)


def test_of_shuffles_the_runs_test_calls_about_one_in_twenty_ordered() -> None:
    chance = np.random.default_rng(4)
    labels_N = np.repeat(np.arange(5), [80, 60, 30, 20, 10])
    low = sum(runs(chance.permutation(labels_N)).p < 0.05 for _ in range(400))
    assert 6 <= low <= 36


def test_a_shuffled_column_has_no_clustering_and_a_sorted_one_all() -> None:
    labels_N = np.repeat(np.arange(4), 100)
    assert runs(labels_N).clustering == pytest.approx(1.0)
    shuffled = runs(np.random.default_rng(0).permutation(labels_N))
    assert shuffled.interval.low < 0.0 < shuffled.interval.high
    assert runs(np.zeros(50, dtype=np.int64)).clustering == 0.0


def test_tenths_are_ten_parts_of_like_size() -> None:
    assert np.bincount(tenths(95)).tolist() == [10, 9, 10, 9, 10, 9, 10, 9, 10, 9]


def test_a_file_sorted_by_a_label_fails() -> None:
    by_label = sorted(rows(), key=lambda row: row.labels.get("category", ""))
    found = order.check(material(by_label))
    assert of(found, RUNS, "category by row order").severity == "fail"
    assert of(found, DRIFT, "category by row order").severity == "fail"
    assert of(found, RUNS, "category by time").severity == "pass"


def test_labels_given_by_the_month_fail_by_time_and_not_by_row() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    places = np.random.default_rng(0).permutation(len(rows()))

    def by_month(place: int, row: Row) -> Row:
        month = int(places[place]) // 300
        when = start + timedelta(hours=int(places[place]))
        return replace(labelled(row, urgency=f"P{month}"), created_at=when)

    found = order.check(material(amended(by_month)))
    assert of(found, RUNS, "urgency by time").severity == "fail"
    assert of(found, DRIFT, "urgency by time").severity == "fail"
    assert of(found, RUNS, "urgency by row order").severity == "pass"


def test_labels_that_stop_midway_are_warned_of_with_the_share_of_every_tenth() -> None:
    half = len(rows()) // 2
    found = order.check(
        material(amended(lambda place, row: labelled(row, queue="") if place > half else row))
    )
    stopped = of(found, MISSING, "queue by row order")
    assert stopped.severity == "warn"
    assert stopped.said.count("%") == 10
    assert stopped.said.endswith("0.0 %")
    assert of(found, MISSING, "category by row order").severity == "pass"


def test_undated_tickets_have_one_order() -> None:
    undated = amended(lambda _, row: replace(row, created_at=None))
    assert not [one for one in order.check(material(undated)) if one.about.endswith("by time")]
