"""What every ticket has beside its text comes in; whether it gives labels, or their lack, away goes
out.
"""

from collections.abc import Iterator

import numpy as np

from service.contract.tasks import Task
from training.audit.association import IntArray, codes, crossed, strength
from training.audit.finding import Finding, Severity, graded, percent
from training.audit.label_pairs import severity_of, told_by
from training.audit.material import Material

LABEL, MISSING = "label from column", "missing label from column"
TELLING, CERTAIN = 0.3, 1e-3
"""Cramér's V, and the p value, from which a column is said to give missing labels away."""


def check(material: Material) -> list[Finding]:
    """For each column and task: is the label a function of it, and does it tell who has one."""
    found = []
    for name, known_N in _columns(material):
        for task in material.tasks:
            found += [
                *_label(material, name, known_N, task),
                _missing(material, name, known_N, task),
            ]
    return found


def _columns(material: Material) -> Iterator[tuple[str, IntArray]]:
    """Columns with at least two values; they are no features, but texts may betray them."""
    rows = material.rows
    every = {
        "source": codes([row.source for row in rows]),
        "subject empty": codes([str(not row.subject.strip()) for row in rows]),
        "body empty": codes([str(not row.body.strip()) for row in rows]),
        "created_at empty": codes([str(row.created_at is None) for row in rows]),
    }
    return ((name, known_N) for name, known_N in every.items() if known_N.max() > 0)


def _label(material: Material, name: str, known_N: IntArray, task: Task) -> list[Finding]:
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


def _missing(material: Material, name: str, known_N: IntArray, task: Task) -> Finding:
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
