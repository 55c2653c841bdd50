"""A report's measures of a task come in; rows of figures with their intervals go out.

Shapes: N tickets, C labels, K cells of the confusion matrix, R resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.statistics.intervals import Interval
from training.console import ROWS
from training.report.outcome import IntArray

HARBOR = "test"
BASELINES = ("tfidf", "majority")


@dataclass(frozen=True)
class Quality:
    """One model on the test split; what the report does not hold is None.

    ece: debiased; ece_p: consistency; classwise: mean ECE of the classes; aurc: mean risk over all
    coverages; kappa: QWK.
    """

    kind: str
    name: str
    n: int
    accuracy: float | None
    accuracy_interval: Interval | None
    macro_f1: float | None
    f1_interval: Interval | None
    nll: float | None
    brier: float | None
    ece: float | None
    ece_interval: Interval | None
    ece_p: float | None
    classwise: float | None
    aurc: float | None
    kappa: float | None


def qualities(
    report: Mapping[str, Mapping[str, float]], f1_interval: Interval | None
) -> tuple[Quality, ...]:
    """Harbor first, then the rows that the report has beside it."""
    kinds = [kind for kind in (*ROWS, *sorted(report.keys() - ROWS.keys())) if kind in report]
    return tuple(
        _quality(kind, report[kind], f1_interval if kind == HARBOR else None) for kind in kinds
    )


def _quality(kind: str, values: Mapping[str, Any], f1_interval: Interval | None) -> Quality:
    return Quality(
        kind=kind,
        name=ROWS.get(kind, kind),
        n=int(values.get("n", 0)),
        accuracy=values.get("accuracy"),
        accuracy_interval=_interval(values, "accuracy_low", "accuracy_high"),
        macro_f1=values.get("macro_f1"),
        f1_interval=f1_interval,
        nll=values.get("nll"),
        brier=values.get("brier"),
        ece=values.get("ece_debiased"),
        ece_interval=_interval(values, "ece_low", "ece_high"),
        ece_p=values.get("ece_p"),
        classwise=values.get("ece_classwise"),
        aurc=values.get("aurc"),
        kappa=values.get("qwk"),
    )


def _interval(values: Mapping[str, float], low: str, high: str) -> Interval | None:
    return Interval(values[low], values[high]) if low in values and high in values else None


def macro_f1_interval(
    truth_N: IntArray, given_N: IntArray, classes: int, resamples: int = 1000, seed: int = 0
) -> Interval:
    """The 95 % bootstrap interval of macro-F1 (Efron 1979), tickets drawn with replacement.

    As in `training.calibration.measures`, the mean is over the labels among truth and given of each
    resample.
    """
    cells, counts_K = np.unique(truth_N * classes + given_N, return_counts=True)
    row_K, column_K = np.divmod(cells, classes)
    n = len(truth_N)
    drawn_RK = np.random.default_rng(seed).multinomial(n, counts_K / n, size=resamples)
    true_CR, given_CR, hit_CR = (np.zeros((classes, resamples)) for _ in range(3))
    np.add.at(true_CR, row_K, drawn_RK.T)
    np.add.at(given_CR, column_K, drawn_RK.T)
    same_K = row_K == column_K
    np.add.at(hit_CR, row_K[same_K], drawn_RK.T[same_K])
    both_CR = true_CR + given_CR
    f1_CR = np.where(both_CR > 0.0, 2.0 * hit_CR / np.maximum(both_CR, 1.0), 0.0)
    score_R = f1_CR.sum(axis=0) / (both_CR > 0.0).sum(axis=0)
    low, high = np.quantile(score_R, [0.025, 0.975])
    return Interval(float(low), float(high))
