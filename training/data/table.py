"""Accepted rows come in; a table with its fingerprint and label counts goes out."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from service.contract.tasks import Task
from service.contract.ticket import render

_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Row:
    """One ticket of the table.

    labels: task name to label, only the labels that are present. created_at: aware; a time without
    a zone was taken as UTC. source: where the row came from; metadata, never a feature. votes: task
    name to how many agents chose each label, where the run reads votes.
    """

    id: str
    subject: str
    body: str
    labels: dict[str, str]
    created_at: datetime | None = None
    source: str = ""
    votes: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What the model reads."""
        return render(self.subject, self.body)


@dataclass(frozen=True)
class Table:
    """Rows in the order of their file; ids are unique, and so are texts."""

    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every row's content in order, in hexadecimal, whatever the file's format."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(_canonical(row))
        return digest.hexdigest()

    def label_counts(self, task: str) -> Counter[str]:
        """How many rows carry each label of a task; empty for a task that no row names."""
        return Counter(row.labels[task] for row in self.rows if task in row.labels)

    def restrict(self, tasks: Sequence[Task]) -> "Table":
        """The same rows with only those labels that the tasks list; no row is dropped."""
        allowed = {task.name: frozenset(task.labels) for task in tasks}
        return Table(tuple(replace(row, labels=_keep(row.labels, allowed)) for row in self.rows))


def normal_text(text: str) -> str:
    """Lower-case words with single spaces; text without a word is kept as it is, stripped.

    Two rows with the same normal text count as the same ticket.
    """
    return _NO_WORD.sub(" ", text.lower()).strip() or text.strip()


def text_key(text: str) -> str:
    """SHA-256 of the normal text in hexadecimal: equal on every machine and in every run."""
    return hashlib.sha256(normal_text(text).encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(row: Row) -> bytes:
    when = row.created_at.isoformat() if row.created_at else ""
    fields: list[Any] = [
        row.id,
        row.subject,
        row.body,
        sorted(row.labels.items()),
        when,
        row.source,
    ]
    if row.votes:
        fields.append({task: sorted(counts.items()) for task, counts in sorted(row.votes.items())})
    return (json.dumps(fields) + "\n").encode()


def _keep(labels: Mapping[str, str], allowed: Mapping[str, frozenset[str]]) -> dict[str, str]:
    return {task: label for task, label in labels.items() if label in allowed.get(task, ())}
