"""What every ticket has beside its text comes in; whether it gives labels, or their lack, away goes
out.
"""

import numpy as np

from service.contract.tasks import Task
from training.audit.association import IntArray, crossed, strength
from training.audit.finding import Finding, Severity, graded, percent
from training.audit.label_pairs import severity_of, told_by
from training.audit.tickets import Tickets

LABEL, MISSING = "label from column", "missing label from column"
TELLING, CERTAIN = 0.3, 1e-3
"""Cramér's V, and the p value, from which a column is said to give missing labels away."""


def check(material: Tickets) -> list[Finding]:
    """For each column and task: is the label a function of it, and does it tell who has one.

    Columns are no features, but texts may betray them; one with a single value is left out.
    """
    found = [_uncounted(name) for name in material.uncounted]
    for name, known_N in material.columns.items():
        if known_N.max() == 0:
            continue
        for task in material.tasks:
            found += [
                *_label(material, name, known_N, task),
                _missing(material, name, known_N, task),
            ]
    return found


def _uncounted(name: str) -> Finding:
    said = f"{name} has too many different values to be looked at where a run streams its tickets"
    remedy = f"look at {name} with fewer tickets, which memory holds"
    return Finding(LABEL, f"all tasks from {name}", "warn", 0.0, said, remedy)


def _label(material: Tickets, name: str, known_N: IntArray, task: Task) -> list[Finding]:
    found = told_by(material, known_N, task)
    if found is None:
        return []
    severity = severity_of(found)
    remedy = (
        f"split by {name}, or train on one of its values at a time: a model that recognises it "
        "looks good without reading the matter"
    )
    said = (
        f"{name} alone tells {task.name} on {percent(found.accuracy)} of {found.n:,} tickets, "
        f"{percent(found.majority)} by the most frequent label"
    )
    interval = found.removed_interval
    return [
        Finding(
            LABEL,
            f"{task.name} from {name}",
            severity,
            found.removed,
            said,
            "" if severity == "pass" else remedy,
            interval.low,
            interval.high,
        )
    ]


def _missing(material: Tickets, name: str, known_N: IntArray, task: Task) -> Finding:
    labelled_N = (material.labels[task.name] >= 0).astype(np.int64)
    found = strength(crossed(known_N, labelled_N))
    telling = found.v if found.p < CERTAIN else 0.0
    severity: Severity = graded(telling, {"warn": TELLING})
    shares = [float(labelled_N[known_N == value].mean()) for value in np.unique(known_N)]
    said = (
        f"by {name}, between {percent(min(shares))} and {percent(max(shares))} of the tickets "
        f"carry a label of {task.name} (Cramér's V {found.v:.2f})"
    )
    remedy = (
        "measured figures hold for tickets as the labelled ones are; label some of the others, "
        f"told apart by {name}"
    )
    return Finding(
        MISSING,
        f"{task.name} by {name}",
        severity,
        found.v,
        said,
        "" if severity == "pass" else remedy,
        found.interval.low,
        found.interval.high,
    )
