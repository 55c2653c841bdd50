"""A source and what becomes of its rows come in; the kept tickets go out again, and lists of them
are written: `rejects.csv` and `splits.csv`.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.formats.record import Record
from training.data.read import _reject
from training.data.rejects import Action, Reject
from training.data.rows import BrokenRule
from training.data.split import SPLITS
from training.data.stream.index import Allowed, Entries, accepted
from training.data.stream.merge import CONFLICT, KEPT, MERGED
from training.data.stream.records import Source
from training.data.table import Row, _canonical, text_key

Noted = Callable[[Reject], None]

_BLOCK = 1 << 20


def _unnoted(_: Reject) -> None: ...


@dataclass(frozen=True)
class Ticket:
    """A kept row with its merged labels, its split, and the labels' codes (T,)."""

    row: Row
    split: str
    codes: NDArray[np.int32]


@dataclass(frozen=True)
class Walk:
    """A file whose rows were indexed and merged, to be read again and again.

    labels: of each task by code.
    """

    source: Source
    allowed: Allowed
    labels: dict[str, list[str]]
    entries_N: Entries
    action_N: NDArray[np.uint8]

    def tickets(self, note: Noted = _unnoted) -> Iterator[Ticket]:
        """The kept rows in the order of the file. note: hears what was not taken as it stood."""

        def on_record(record: Record, fault: BrokenRule | None) -> None:
            if fault is not None:
                note(_reject(record, fault))

        for place, (record, row) in enumerate(accepted(self.source, self.allowed, on_record)):
            entry = self.entries_N[place]
            self._note(record, int(self.action_N[place]), entry["labels"], note)
            if self.action_N[place] == KEPT:
                codes_T = np.array(entry["labels"])
                yield Ticket(
                    replace(row, labels=self._named(codes_T)), SPLITS[entry["split"]], codes_T
                )

    def labelled(self, split: str, labels: Mapping[str, Collection[str]]) -> int:
        """How many kept tickets of a split have one of these labels, by task."""
        asked = {
            column: [code for code, name in enumerate(names) if name in labels[task]]
            for column, (task, names) in enumerate(self.labels.items())
            if task in labels
        }
        total = 0
        for start in range(0, len(self.entries_N), _BLOCK):
            part = self.entries_N[start : start + _BLOCK]
            kept = self.action_N[start : start + _BLOCK] == KEPT
            codes_PT = part["labels"][kept & (part["split"] == SPLITS.index(split))]
            known = [np.isin(codes_PT[:, column], codes) for column, codes in asked.items()]
            total += int(np.any(known, axis=0).sum())
        return total

    def _named(self, codes_T: NDArray[np.int32]) -> dict[str, str]:
        pairs = zip(self.labels.items(), codes_T.tolist(), strict=True)
        return {task: names[code] for (task, names), code in pairs if code >= 0}

    def _note(self, record: Record, action: int, codes_T: Any, note: Noted) -> None:
        def say(column: str, rule: str, message: str, what: Action) -> None:
            note(Reject(record.number, record.line, column, rule, message, what))

        if action == MERGED:
            say("", "same_text", "merged into an earlier row", "merged")
        elif action != KEPT:
            say("id", "duplicate_id", "an earlier row has this id", "rejected")
            return
        for task, code in sorted(zip(self.labels, codes_T.tolist(), strict=True)):
            if code == CONFLICT:
                say(task, "conflict", "rows with this text carry different labels", "blanked")


@dataclass(frozen=True)
class Listed:
    """The table's fingerprint, and how often each rule had which effect."""

    fingerprint: str
    told: Counter[tuple[str, str]]


def list_rows(walk: Walk, rejects: Path, splits: Path) -> Listed:
    """Writes both files as `write_rejects` and `write_splits` do, row by row; a group is the text
    key, since near-duplicates are not looked for.
    """
    told: Counter[tuple[str, str]] = Counter()
    digest = hashlib.sha256()
    with (
        rejects.open("w", encoding="utf-8", newline="") as rejected,
        splits.open("w", encoding="utf-8", newline="") as assigned,
    ):
        bad, good = (csv.writer(one, lineterminator="\n") for one in (rejected, assigned))
        bad.writerow(["row", "line", "column", "rule", "action", "message"])
        good.writerow(["id", "split", "group"])

        def note(one: Reject) -> None:
            line = "" if one.line is None else one.line
            bad.writerow([one.row, line, one.column, one.rule, one.action, one.message])
            told[one.rule, one.action] += 1

        for ticket in walk.tickets(note):
            good.writerow([ticket.row.id, ticket.split, text_key(ticket.row.text)[:16]])
            digest.update(_canonical(ticket.row))
    return Listed(digest.hexdigest(), told)
