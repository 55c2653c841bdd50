"""A task's newest decisions with their final labels come in; its reliability goes out.

Shapes: N tickets, K bins.
"""

from collections.abc import Sequence

import numpy as np

from service.contract.promises import Threshold
from service.contract.tasks import Task
from service.ledger.labelled import Labelled, Recent
from service.reliability.document import Accuracy, Bin, Gap, TaskReliability
from service.reliability.promise import standing
from service.rules import Rule
from service.statistics.calibration import reliability
from service.statistics.intervals import wilson

BINS = 10


def reliability_of(
    task: Task, recent: Recent, threshold: Threshold | None, rule: Rule
) -> TaskReliability:
    """How well the confidences of one task, and its promise, hold.

    threshold: the bundle's own; None where it has none. rule: in force, as a policy has left it.
    """
    labelled = recent.labelled
    known = set(task.labels)
    overall = _accuracy(labelled)
    return TaskReliability(
        n=overall.n,
        expected=overall.expected,
        observed=overall.observed,
        gap=overall.gap,
        auto=_accuracy([one for one in labelled if one.decision == "auto"]),
        labelled_share=recent.share,
        cut=recent.cut,
        unknown=sum(one.final not in known for one in labelled),
        bins=_bins(labelled),
        promise=None if threshold is None else standing(task, recent, threshold, rule),
    )


def _accuracy(labelled: Sequence[Labelled]) -> Accuracy:
    """The gap's interval is the accuracy's Wilson interval, seen from the mean confidence.

    The confidences are known, so that the gap is as uncertain as the accuracy alone. The tickets'
    own chances differ, which makes their accuracy vary less than equal chances would (Hoeffding
    1956): the interval is too wide rather than too narrow.
    """
    n = len(labelled)
    if n == 0:
        return Accuracy(n=0, expected=None, observed=None, gap=None)
    right = sum(one.right for one in labelled)
    expected, interval = sum(one.confidence for one in labelled) / n, wilson(right, n)
    return Accuracy(
        n=n,
        expected=expected,
        observed=right / n,
        gap=Gap(
            value=expected - right / n,
            low=expected - interval.high,
            high=expected - interval.low,
        ),
    )


def _bins(labelled: Sequence[Labelled]) -> tuple[Bin, ...]:
    if not labelled:
        return ()
    confidence_N = np.array([one.confidence for one in labelled])
    right_N = np.array([one.right for one in labelled])
    table = reliability(confidence_N, right_N, BINS)
    bins = zip(
        table.count.tolist(), table.confidence.tolist(), table.accuracy.tolist(), strict=True
    )
    return tuple(_bin(*figures) for figures in bins)


def _bin(n: int, confidence: float, accuracy: float) -> Bin:
    interval = wilson(round(accuracy * n), n)
    return Bin(n=n, confidence=confidence, accuracy=accuracy, low=interval.low, high=interval.high)
