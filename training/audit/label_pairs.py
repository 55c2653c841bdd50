"""The labels of every two tasks come in; whether the one is a function of the other goes out."""

from itertools import permutations

from service.contract.tasks import Task
from training.audit.association import IntArray, Lookup, lookup
from training.audit.finding import Finding, Severity, percent
from training.audit.tickets import Tickets

CHECK = "label from label"
FEW = 50
"""Fewer tickets with both labels show nothing."""
FUNCTION, MOSTLY = 0.95, 0.7
"""Of the majority's errors, the part that a lookup must remove to fail and to be warned of."""
SURE = 0.8
"""What the interval of a failing lookup must lie above."""


def check(material: Tickets) -> list[Finding]:
    """For each pair of tasks in both directions: lookup accuracy and normalised conditional
    entropy over the tickets that carry both labels.
    """
    return [_pair(material, known, told) for known, told in permutations(material.tasks, 2)]


def _pair(material: Tickets, known: Task, told: Task) -> Finding:
    about = f"{told.name} from {known.name}"
    known_N, told_N = material.labels[known.name], material.labels[told.name]
    both_N = (known_N >= 0) & (told_N >= 0)
    if both_N.sum() < FEW:
        said = f"{int(both_N.sum())} tickets carry both labels, too few to tell"
        return Finding(CHECK, about, "pass", 0.0, said)
    found = lookup(known_N[both_N], told_N[both_N])
    severity = severity_of(found)
    if severity == "fail" and told.role == "auxiliary":
        severity = "warn"
    return Finding(
        CHECK,
        about,
        severity,
        found.removed,
        f"a lookup from {known.name} is right on {percent(found.accuracy)} of {found.n:,} tickets "
        f"against {percent(found.majority)} for the most frequent label; "
        f"{percent(found.entropy)} of the entropy remains",
        _remedy(severity, known, told),
        found.removed_interval.low,
        found.removed_interval.high,
    )


def severity_of(found: Lookup) -> Severity:
    """Of a lookup that should not be possible."""
    if found.removed >= FUNCTION and found.removed_interval.low >= SURE:
        return "fail"
    return "warn" if found.removed >= MOSTLY else "pass"


def _remedy(severity: Severity, known: Task, told: Task) -> str:
    if severity == "pass":
        return ""
    return (
        f"derive {told.name} from {known.name} by rule, or find out whether one was filled in from "
        "the other; training both on it shows no transfer"
    )


def told_by(material: Tickets, known_N: IntArray, task: Task) -> Lookup | None:
    """How well a column of codes tells a task's labels; None where too few tickets have one."""
    told_N = material.labels[task.name]
    with_N = told_N >= 0
    return lookup(known_N[with_N], told_N[with_N]) if with_N.sum() >= FEW else None
