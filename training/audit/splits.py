"""Tickets and where each of them goes come in; what the splits have in common, or have not, goes
out.
"""

from collections import defaultdict

from service.contract.tasks import Task
from service.statistics.intervals import wilson
from training.audit.association import codes, crossed, strength
from training.audit.finding import Finding, Severity, graded
from training.audit.material import Material
from training.data.split import SPLITS

EXACT, NEAR, BALANCE = "same text across splits", "near-duplicates across splits", "labels by split"
_COPY_LIMITS: dict[Severity, float] = {"fail": 0.005, "warn": 1e-12}
_BALANCE_LIMITS: dict[Severity, float] = {"fail": 0.4, "warn": 0.15}
CERTAIN = 1e-3
TRAIN, HELD_OUT = SPLITS[0], SPLITS[1:]


def check(material: Material) -> list[Finding]:
    """Texts on both sides of training, and label shares that differ from split to split."""
    found = [_near(material), *(_balance(material, task) for task in material.tasks)]
    return [_exact(material), *found] if material.given else found


def _exact(material: Material) -> Finding:
    """Rows with one text and several ids, which reading merges into one ticket."""
    members = defaultdict(list, {name: [split] for name, split in material.split_of.items()})
    for copy, same in material.copies.items():
        members[same].append(material.copy_split[copy])
    return _crossing(EXACT, [tuple(splits) for splits in members.values()], "the very text of one")


def _near(material: Material) -> Finding:
    """At least 0.8 of three-word shingles in common, see `training.data.duplicates`."""
    members = defaultdict(list)
    for name, split in material.split_of.items():
        members[material.group_of[name]].append(split)
    return _crossing(NEAR, [tuple(splits) for splits in members.values()], "a near-duplicate")


def _crossing(check: str, groups: list[tuple[str, ...]], what: str) -> Finding:
    held = sum(split in HELD_OUT for splits in groups for split in splits)
    seen = sum(split in HELD_OUT for splits in groups if TRAIN in splits for split in splits)
    share, interval = seen / max(held, 1), wilson(seen, held)
    severity = graded(share, _COPY_LIMITS)
    remedy = "split by group (data.split: group, data.stream: false): near-duplicates stay together"
    said = f"{seen:,} of {held:,} tickets outside training have {what} in it"
    remedy = "" if severity == "pass" else remedy
    return Finding(check, "all tasks", severity, share, said, remedy, interval.low, interval.high)


def _balance(material: Material, task: Task) -> Finding:
    placed = [
        (SPLITS.index(split), label)
        for row, label in zip(material.rows, material.labels[task.name].tolist(), strict=True)
        if label >= 0 and (split := material.split_of.get(row.id)) is not None
    ]
    split_N = codes([str(split) for split, _ in placed])
    labels_N = codes([str(label).zfill(4) for _, label in placed])
    unseen = _unseen(task, placed)
    found = strength(crossed(split_N, labels_N))
    severity: Severity = graded(found.v if found.p < CERTAIN else 0.0, _BALANCE_LIMITS)
    severity = "fail" if unseen and severity != "pass" else severity
    said = f"the label shares of {task.name} differ between splits by Cramér's V {found.v:.2f}"
    if unseen:
        said += f"; {len(unseen)} labels are tested and never trained"
        severity = "warn" if severity == "pass" else severity
    remedy = "" if severity == "pass" else "draw the splits anew, or label more of the rare labels"
    low, high = found.interval.low, found.interval.high
    return Finding(BALANCE, task.name, severity, found.v, said, remedy, low, high)


def _unseen(task: Task, placed: list[tuple[int, int]]) -> set[str]:
    trained = {label for split, label in placed if SPLITS[split] == TRAIN}
    held = {label for split, label in placed if SPLITS[split] != TRAIN}
    return {task.labels[label] for label in held - trained}
