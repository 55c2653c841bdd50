"""What the model told of a split, and thresholds, come in; what would be decided, and how rightly,
goes out.

Shapes: N tickets, C labels.
"""

from dataclasses import dataclass

import numpy as np

from service.contract.promises import Threshold
from service.statistics.intervals import Interval, clopper_pearson
from training.report.outcome import BoolArray, Told

GRID = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
SUGGEST = 0.5
"""Confidence from which a label is shown to an agent where no promise says otherwise."""


@dataclass(frozen=True)
class Decided:
    """One threshold's decisions on N tickets; precision is None where none of them is `auto`.

    interval: of the precision, coverage_interval: of the coverage, 95 % Clopper-Pearson. auto,
    suggest, human, wrong: tickets a week at the report's volume; wrong ones are among the `auto`.
    """

    threshold: float
    promised: bool
    accepted: int
    right: int
    precision: float | None
    interval: Interval | None
    coverage: float
    coverage_interval: Interval
    auto: float
    suggest: float
    human: float
    wrong: float


def decisions(
    told: Told, labels: tuple[str, ...], tickets_a_week: float, threshold: Threshold | None
) -> tuple[Decided, ...]:
    """One row for each confidence of GRID and one for the promised threshold, loosest first."""
    suggest = SUGGEST if threshold is None else threshold.suggest
    grid = [Threshold(auto=auto, suggest=min(auto, suggest)) for auto in GRID]
    rows = [decided(told, labels, tickets_a_week, one, promised=False) for one in grid]
    if threshold is not None:
        rows.append(decided(told, labels, tickets_a_week, threshold, promised=True))
    return tuple(sorted(rows, key=lambda one: (one.threshold, one.promised)))


def decided(
    told: Told,
    labels: tuple[str, ...],
    tickets_a_week: float,
    threshold: Threshold,
    *,
    promised: bool,
) -> Decided:
    """The row of one threshold. Raises ValueError without a ticket."""
    auto_N = automatic(told, labels, threshold)
    suggest_N = told.inside_N & ~auto_N & (told.confidence_N >= threshold.suggest)
    n, accepted = len(auto_N), int(auto_N.sum())
    right = int(told.right_N[auto_N].sum())
    each = tickets_a_week / n
    suggested = int(suggest_N.sum())
    return Decided(
        threshold=threshold.auto,
        promised=promised,
        accepted=accepted,
        right=right,
        precision=right / accepted if accepted else None,
        interval=clopper_pearson(right, accepted) if accepted else None,
        coverage=accepted / n,
        coverage_interval=clopper_pearson(accepted, n),
        auto=accepted * each,
        suggest=suggested * each,
        human=(n - accepted - suggested) * each,
        wrong=(accepted - right) * each,
    )


def automatic(told: Told, labels: tuple[str, ...], threshold: Threshold) -> BoolArray:
    """Which tickets are `auto` (N,): in scope, and as sure as the threshold of the given label
    asks.
    """
    own = [threshold.by_label.get(label, threshold.auto) for label in labels]
    limit_C = np.array([np.inf if one is None else one for one in own])
    return np.asarray(told.inside_N & (told.confidence_N >= limit_C[told.chosen_N]))
