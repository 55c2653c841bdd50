"""A file's records come in; what tells them apart, a few bytes a row on disk, goes out.

Shapes: N accepted rows, T tasks.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.formats.record import Record
from training.data.rows import BrokenRule, to_row
from training.data.split import SPLITS
from training.data.stream.records import Source
from training.data.table import Row, Table, text_key
from training.errors import DataError

MISSING = -1
"""The code of a label that a row lacks."""

MOST_LABELS = 100_000
"""Different labels of one column: what stands in memory. A column with more is no task."""

_ROWS = 4096

Allowed = Mapping[str, Collection[str] | None]
"""Task name to the labels that the run lists, None for any."""

Assign = Callable[[Table, dict[str, str]], Mapping[str, str]]
"""A table and the group of each of its rows in; the split of each row out, by id."""

Entries = NDArray[Any]
"""Structured (N,): text and id (64 bits of a hash each), split, and labels (T,) as codes.

Two of 100 million texts share 64 bits by chance with a probability of 3e-4; they would be merged.
"""


@dataclass
class Labels:
    """Each task's labels in the order in which they were met; a label's place is its code."""

    codes: dict[str, dict[str, int]]

    def code(self, row: Row) -> list[int]:
        """(T,). Raises DataError where a task has more than MOST_LABELS."""
        return [self._code(task, row.labels.get(task)) for task in self.codes]

    def names(self, task: str) -> list[str]:
        """The labels of a task, in the order of their codes."""
        return list(self.codes[task])

    def _code(self, task: str, label: str | None) -> int:
        if label is None:
            return MISSING
        known = self.codes[task]
        if len(known) == MOST_LABELS and label not in known:
            raise DataError(f"task {task} may have 1,000 labels, found more than {MOST_LABELS:,}")
        return known.setdefault(label, len(known))


@dataclass
class Counts:
    """rows: of the file. made_ids: rows without an id."""

    rows: int = 0
    made_ids: int = 0


@dataclass
class Index:
    """Writes the entries of a source's accepted rows to `path`."""

    path: Path
    allowed: Allowed
    assign: Assign
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.labels = Labels({task: {} for task in self.allowed})

    def read(self, source: Source) -> Entries:
        """One pass; the entries, open for writing. Raises DataError."""
        with self.path.open("wb") as stream:
            for part in self._parts(source):
                part.tofile(stream)
        return open_entries(self.path, len(self.allowed), "r+")

    def _parts(self, source: Source) -> Iterator[Entries]:
        keys: list[str] = []
        values: list[tuple[int, list[int]]] = []
        for _, row in accepted(source, self.allowed, self._count):
            keys.append(text_key(row.text))
            values.append((_hash(row.id), self.labels.code(row)))
            if len(keys) == _ROWS:
                yield self._entries(keys, values)
                keys, values = [], []
        yield self._entries(keys, values)

    def _entries(self, keys: list[str], values: list[tuple[int, list[int]]]) -> Entries:
        found = np.empty(len(keys), _kind(len(self.allowed)))
        found["text"] = [int(key[:16], 16) for key in keys]
        found["id"] = [one for one, _ in values]
        found["labels"] = np.array([codes for _, codes in values]).reshape(found["labels"].shape)
        rows = Table(tuple(Row(key, "", "", {}) for key in dict.fromkeys(keys)))
        split = self.assign(rows, {row.id: row.id for row in rows.rows})
        found["split"] = [SPLITS.index(split[key]) for key in keys]
        return found

    def _count(self, record: Record, fault: BrokenRule | None) -> None:
        self.counts.rows += 1
        if fault is None:
            self.counts.made_ids += not record.fields.get("id", "").strip()


def accepted(
    source: Source, allowed: Allowed, on_record: Any = lambda _record, _fault: None
) -> Iterator[tuple[Record, Row]]:
    """Every record that breaks no rule, as a row. on_record: hears of every record, and what it
    broke.
    """
    for record in source.records():
        try:
            row = to_row(record, allowed)
        except BrokenRule as fault:
            on_record(record, fault)
            continue
        on_record(record, None)
        yield record, row


def open_entries(path: Path, tasks: int, mode: Any = "r") -> Entries:
    """What `Index.read` wrote."""
    return mapped(path, _kind(tasks), mode)


def mapped(path: Path, kind: Any, mode: Any = "r") -> NDArray[Any]:
    """A file as an array of `kind` that is read where it is looked at; empty for an empty file."""
    if path.stat().st_size == 0:
        return np.empty(0, kind)
    return np.asarray(np.memmap(path, kind, mode))


def _kind(tasks: int) -> np.dtype[Any]:
    return np.dtype([("text", "<u8"), ("id", "<u8"), ("split", "u1"), ("labels", "<i4", (tasks,))])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
