"""A report's measures of a task come in; rows of figures with their intervals go out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.statistics.intervals import Interval
from training.console import ROWS

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


def qualities(report: Mapping[str, Mapping[str, float]]) -> tuple[Quality, ...]:
    """Harbor first, then the rows that the report has beside it."""
    kinds = [kind for kind in (*ROWS, *sorted(report.keys() - ROWS.keys())) if kind in report]
    return tuple(_quality(kind, report[kind]) for kind in kinds)


def _quality(kind: str, values: Mapping[str, Any]) -> Quality:
    return Quality(
        kind=kind,
        name=ROWS.get(kind, kind),
        n=int(values.get("n", 0)),
        accuracy=values.get("accuracy"),
        accuracy_interval=_interval(values, "accuracy_low", "accuracy_high"),
        macro_f1=values.get("macro_f1"),
        f1_interval=_interval(values, "macro_f1_low", "macro_f1_high"),
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
