"""Rows in the order of their file come in; rows with unique texts and ids, and findings, go out."""

from collections import Counter
from dataclasses import dataclass, field, replace

from training.data.formats.record import Record
from training.data.rejects import Action, Reject
from training.data.table import Row, text_key
from training.data.votes import majority


@dataclass(slots=True)
class _Entry:
    """One text: the first row that has it, and for each task the labels seen and where."""

    record: Record
    row: Row
    seen: dict[str, dict[str, list[Record]]] = field(default_factory=dict)
    votes: dict[str, Counter[str]] = field(default_factory=dict)


class Merger:
    """Collects rows; rows with the same normal text become one.

    The first row gives id, text, time and source; labels that the rows agree on are kept, and a
    task on which they disagree is blanked, but where their votes, added up, decide. A later row
    with a known id and another text is rejected.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._ids: dict[str, str] = {}
        self._items: list[Reject] = []

    def add(self, record: Record, row: Row) -> None:
        """Takes one row, read from `record`."""
        key = text_key(row.text)
        if self._ids.get(row.id, key) != key:
            self._note(record, "id", "duplicate_id", "an earlier row has this id", "rejected")
            return
        self._ids[row.id] = key
        entry = self._entries.setdefault(key, _Entry(record, row))
        for task, label in row.labels.items():
            entry.seen.setdefault(task, {}).setdefault(label, []).append(record)
        for task, counts in row.votes.items():
            entry.votes.setdefault(task, Counter()).update(counts)
        if entry.record is not record:
            message = f"merged into row {entry.record.number}"
            self._note(record, "", "same_text", message, "merged")

    def finish(self) -> tuple[tuple[Row, ...], tuple[Reject, ...]]:
        """The merged rows, and every rejected, merged or blanked one as an entry."""
        rows = tuple(self._merged(entry) for entry in self._entries.values())
        return rows, tuple(self._items)

    def _merged(self, entry: _Entry) -> Row:
        labels: dict[str, str] = {}
        for task, seen in entry.seen.items():
            if len(seen) == 1:
                labels[task] = next(iter(seen))
                continue
            if (told := majority(entry.votes.get(task, {}))) is not None:
                labels[task] = told
                continue
            for record in (record for records in seen.values() for record in records):
                message = f"rows with this text carry {len(seen)} different labels"
                self._note(record, task, "conflict", message, "blanked")
        votes = {task: dict(counts) for task, counts in entry.votes.items()}
        return replace(entry.row, labels=labels, votes=votes)

    def _note(self, record: Record, column: str, rule: str, message: str, action: Action) -> None:
        self._items.append(Reject(record.number, record.line, column, rule, message, action))
