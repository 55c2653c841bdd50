"""Merged entries come in; the counts that a run says of its table go out, as one small document.

Shapes: N rows, T tasks.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.contract.tasks import Task
from training.data.rejects import RULES
from training.data.split import SPLITS
from training.data.stream.index import Entries, Labels
from training.data.stream.merge import KEPT
from training.data.table import Table
from training.errors import TooManyRejects

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Found:
    """What reading a file found.

    rows: of the file. made_ids: rows without an id. told: rule, action and how often. fingerprint:
    as `Table.fingerprint`. labels: those of each task by code. tickets: kept rows by split.
    counted: split, task and code to rows.
    """

    rows: int
    made_ids: int
    told: list[tuple[str, str, int]]
    fingerprint: str
    labels: dict[str, list[str]]
    tickets: dict[str, int]
    counted: dict[str, dict[str, list[int]]]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def counts(self, task: str, split: str | None = None) -> Counter[str]:
        """How many kept rows carry each label of a task, in a split or in all."""
        splits = SPLITS if split is None else (split,)
        total: Counter[str] = Counter()
        for one in splits:
            for label, count in zip(self.labels[task], self.counted[one][task], strict=True):
                if count:
                    total[label] += count
        return total

    def shares(self, tasks: tuple[Task, ...]) -> dict[str, Any]:
        """As `training.data.split.label_shares`."""
        return {
            split: {"rows": self.tickets[split], "tasks": self._split_shares(split, tasks)}
            for split in SPLITS
        }

    @property
    def rejected(self) -> int:
        """Rows that were left out."""
        return sum(count for _, action, count in self.told if action == "rejected")

    def summary(self) -> str:
        """As `Rejects.summary`."""
        return "\n".join(
            f"{rule} ({action}): {count:,}; the rule: {RULES[rule]}"
            for rule, action, count in sorted(self.told, key=lambda one: -one[2])
        )

    def check(self, max_share: float) -> None:
        """Raises TooManyRejects where more than `max_share` of the rows were rejected."""
        if self.rejected > max_share * self.rows:
            raise TooManyRejects(
                f"{self.rejected:,} of {self.rows:,} rows were rejected, "
                f"at most {max_share:.1%} may be:\n{self.summary()}",
                {rule: count for rule, action, count in self.told if action == "rejected"},
            )

    def _split_shares(self, split: str, tasks: tuple[Task, ...]) -> dict[str, Any]:
        report = {}
        for task in tasks:
            counts = self.counts(task.name, split)
            labelled = sum(counts[label] for label in task.labels)
            labels = {label: counts[label] / max(labelled, 1) for label in task.labels}
            report[task.name] = {"labelled": labelled, "labels": labels}
        return report


@dataclass(frozen=True)
class StreamedTable(Table):
    """A table of which only the counts are known; `rows` is empty."""

    found: Found

    def __len__(self) -> int:
        return sum(self.found.tickets.values())

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every row's content, in hexadecimal: that of the same table in memory."""
        return self.found.fingerprint

    def label_counts(self, task: str) -> Counter[str]:
        """How many rows carry each label of a task."""
        return self.found.counts(task)


def count_labels(
    labels: Labels, entries_N: Entries, action_N: NDArray[np.uint8]
) -> tuple[dict[str, int], dict[str, dict[str, list[int]]]]:
    """Of merged entries: kept rows by split, and by split, task and code."""
    tickets = dict.fromkeys(SPLITS, 0)
    counted = {split: _zeros(labels) for split in SPLITS}
    for start in range(0, len(entries_N), _BLOCK):
        kept = entries_N[start : start + _BLOCK][action_N[start : start + _BLOCK] == KEPT]
        for place, split in enumerate(SPLITS):
            codes_PT = kept["labels"][kept["split"] == place]
            tickets[split] += len(codes_PT)
            for column, counts_C in enumerate(counted[split].values()):
                codes_P = codes_PT[:, column]
                counts_C += np.bincount(codes_P[codes_P >= 0], minlength=len(counts_C))
    plain = {
        split: {task: counts_C.tolist() for task, counts_C in by_task.items()}
        for split, by_task in counted.items()
    }
    return tickets, plain


def _zeros(labels: Labels) -> dict[str, NDArray[np.int64]]:
    return {task: np.zeros(len(codes), np.int64) for task, codes in labels.codes.items()}
