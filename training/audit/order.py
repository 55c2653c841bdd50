"""Labels in the order of the file and of time come in; whether they follow it goes out.

Shapes: N tickets in order, C labels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from service.contract.tasks import Task
from service.statistics.intervals import Interval
from training.audit.association import IntArray, crossed, strength
from training.audit.finding import Finding, Severity, graded, percent
from training.audit.tickets import UNDATED, Tickets

RUNS, DRIFT, MISSING = "labels in runs", "labels by tenth", "missing labels by tenth"
PARTS = 10
FEW = 50
"""Fewer labelled tickets show nothing."""
DATED = 0.9
"""The share of tickets with a time from which the order of time is looked at."""
CERTAIN = 1e-3
_RUN_LIMITS: dict[Severity, float] = {"fail": 0.5, "warn": 0.2}
_DRIFT_LIMITS: dict[Severity, float] = {"fail": 0.5, "warn": 0.25}
_MISSING_LIMITS: dict[Severity, float] = {"warn": 0.2}


@dataclass(frozen=True)
class Runs:
    """How much neighbours agree beyond chance: 0 for a shuffled column, 1 for one run a label.

    interval: where 95 % of shuffles would lie around the figure. p: two-sided, of a shuffle.
    """

    clustering: float
    interval: Interval
    p: float


def check(material: Tickets) -> list[Finding]:
    """For each order and task: runs, drift over tenths, and where the labels are missing."""
    found = []
    for name, order_N in _orders(material):
        for task in material.tasks:
            labels_N = material.labels[task.name][order_N]
            known_N = labels_N >= 0
            if known_N.sum() >= FEW:
                found += [
                    _runs(name, task, labels_N[known_N]),
                    _drift(name, task, labels_N[known_N]),
                ]
            if len(labels_N) >= FEW:
                found.append(_missing(name, task, known_N))
    return found


def runs(labels_N: IntArray) -> Runs:
    """The runs test for any number of labels, at least two tickets (Mood 1940, Annals of
    Mathematical Statistics 11; moments in Barton & David 1957, Biometrika 44).
    """
    n = len(labels_N)
    counts = np.bincount(labels_N).astype(float)
    squares, cubes = float((counts**2).sum()), float((counts**3).sum())
    observed = 1 + int((labels_N[1:] != labels_N[:-1]).sum())
    fewest = int((counts > 0).sum())
    expected = (n * (n + 1) - squares) / n
    spread = squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3
    deviation = math.sqrt(max(0.0, spread / (n**2 * (n - 1))))
    if expected <= fewest or deviation == 0.0:
        return Runs(0.0, Interval(-1.0, 1.0), 1.0)
    room = expected - fewest
    clustering, half = (expected - observed) / room, 1.96 * deviation / room
    p = 2.0 * float(norm.sf(abs(expected - observed) / deviation))
    return Runs(clustering, Interval(max(-1.0, clustering - half), min(1.0, clustering + half)), p)


def tenths(count: int) -> IntArray:
    """The tenth of each place in an order, 0 to 9, shape (count,)."""
    return np.arange(count, dtype=np.int64) * PARTS // max(count, 1)


def _orders(material: Tickets) -> Iterator[tuple[str, IntArray]]:
    """The file's order, and that of time where tickets have one and it is another."""
    file_order = np.arange(len(material))
    yield "row order", file_order
    dated = np.flatnonzero(material.times_N != UNDATED)
    if len(dated) < DATED * len(material):
        return
    by_time = dated[np.argsort(material.times_N[dated], kind="stable")]
    if len(by_time) != len(material) or (by_time != file_order).any():
        yield "time", by_time


def _runs(order: str, task: Task, labels_N: IntArray) -> Finding:
    found = runs(labels_N)
    severity = graded(found.clustering if found.p < CERTAIN else 0.0, _RUN_LIMITS)
    same = float((labels_N[1:] == labels_N[:-1]).mean())
    said = (
        f"in {order}, {percent(same)} of neighbours share their label of {task.name}: "
        f"{percent(max(0.0, found.clustering))} of the way from chance to one run a label"
    )
    return _finding(RUNS, order, task, severity, found.clustering, found.interval, said)


def _drift(order: str, task: Task, labels_N: IntArray) -> Finding:
    found = strength(crossed(tenths(len(labels_N)), labels_N))
    severity = graded(found.v if found.p < CERTAIN else 0.0, _DRIFT_LIMITS)
    said = f"over tenths of {order}, the labels of {task.name} shift by Cramér's V {found.v:.2f}"
    return _finding(DRIFT, order, task, severity, found.v, found.interval, said)


def _missing(order: str, task: Task, known_N: np.typing.NDArray[np.bool_]) -> Finding:
    tenth_N = tenths(len(known_N))
    found = strength(crossed(tenth_N, known_N.astype(np.int64)))
    shares = [float(known_N[tenth_N == part].mean()) for part in np.unique(tenth_N)]
    severity = graded(found.v if found.p < CERTAIN else 0.0, _MISSING_LIMITS)
    listed = ", ".join(percent(share) for share in shares)
    said = f"share labelled for {task.name} by tenth of {order}: {listed}"
    return _finding(MISSING, order, task, severity, found.v, found.interval, said)


def _finding(
    check: str,
    order: str,
    task: Task,
    severity: Severity,
    figure: float,
    interval: Interval,
    said: str,
) -> Finding:
    remedies = {
        RUNS: "find out who sorted or labelled in blocks; with a split by position or by time, "
        "training and test hold different labels",
        DRIFT: "train and test in the order of time (data.split: time), so that the figures "
        "hold for tickets to come",
        MISSING: "the labelled tickets come from a part of the desk's life; label some of the rest",
    }
    about = f"{task.name} by {order}"
    remedy = "" if severity == "pass" else remedies[check]
    return Finding(check, about, severity, figure, said, remedy, interval.low, interval.high)
