"""Tickets and where each of them goes come in; what the splits have in common, or have not, goes
out.

Shapes: N tickets, M of them and of their copies, D copies.
"""

import numpy as np

from service.contract.tasks import Task
from service.statistics.intervals import wilson
from training.audit.association import crossed, strength
from training.audit.finding import Finding, Severity, graded
from training.audit.tickets import NO_SPLIT, IntArray, Tickets

EXACT, NEAR, BALANCE = "same text across splits", "near-duplicates across splits", "labels by split"
_COPY_LIMITS: dict[Severity, float] = {"fail": 0.005, "warn": 1e-12}
_BALANCE_LIMITS: dict[Severity, float] = {"fail": 0.4, "warn": 0.15}
CERTAIN = 1e-3
TRAIN = 0
"""The place of training among SPLITS; what lies above is measured on."""


def check(material: Tickets) -> list[Finding]:
    """Texts on both sides of training, and label shares that differ from split to split."""
    found = [_near(material), *(_balance(material, task) for task in material.tasks)]
    return [_exact(material), *found] if material.given else found


def _exact(material: Tickets) -> Finding:
    """Rows with one text and several ids, which reading merges into one ticket."""
    place_D, split_D = material.copies
    group_M = np.append(np.arange(len(material)), place_D)
    return _crossing(EXACT, group_M, np.append(material.split_N, split_D), "the very text of one")


def _near(material: Tickets) -> Finding:
    """At least 0.8 of three-word shingles in common, see `training.data.duplicates`."""
    return _crossing(NEAR, material.group_N, material.split_N, "a near-duplicate")


def _crossing(check: str, group_M: IntArray, split_M: IntArray, what: str) -> Finding:
    held_M, trained_M = split_M > TRAIN, split_M == TRAIN
    held = int(held_M.sum())
    seen = int(np.isin(group_M[held_M], group_M[trained_M]).sum())
    share, interval = seen / max(held, 1), wilson(seen, held)
    severity = graded(share, _COPY_LIMITS)
    remedy = "split by group (data.split: group, data.stream: false): near-duplicates stay together"
    said = f"{seen:,} of {held:,} tickets outside training have {what} in it"
    remedy = "" if severity == "pass" else remedy
    return Finding(check, "all tasks", severity, share, said, remedy, interval.low, interval.high)


def _balance(material: Tickets, task: Task) -> Finding:
    placed_N = (material.labels[task.name] >= 0) & (material.split_N != NO_SPLIT)
    split_M, label_M = material.split_N[placed_N], material.labels[task.name][placed_N]
    unseen = _unseen(split_M, label_M)
    found = strength(crossed(split_M, label_M))
    severity: Severity = graded(found.v if found.p < CERTAIN else 0.0, _BALANCE_LIMITS)
    severity = "fail" if unseen and severity != "pass" else severity
    said = f"the label shares of {task.name} differ between splits by Cramér's V {found.v:.2f}"
    if unseen:
        said += f"; {unseen} labels are tested and never trained"
        severity = "warn" if severity == "pass" else severity
    remedy = "" if severity == "pass" else "draw the splits anew, or label more of the rare labels"
    low, high = found.interval.low, found.interval.high
    return Finding(BALANCE, task.name, severity, found.v, said, remedy, low, high)


def _unseen(split_M: IntArray, label_M: IntArray) -> int:
    """How many labels stand outside of training alone."""
    return len(np.setdiff1d(label_M[split_M > TRAIN], label_M[split_M == TRAIN]))
