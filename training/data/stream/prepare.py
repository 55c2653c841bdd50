"""A file of tickets larger than memory comes in; its desk, indexed and split, goes out.

The file is read three times, row by row: to tell rows apart, to list what becomes of them, and, in
`StreamedDesk.encode`, to tokenise them. What memory holds beyond that are a few bytes a ticket.
Near-duplicates are not looked for: only tickets with the same normal text are sure to be in one
split.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.contract.tasks import Task
from training.data.stream.desk import StreamedDesk
from training.data.stream.found import Found, StreamedTable, count_labels
from training.data.stream.index import Assign, Index, mapped, open_entries
from training.data.stream.keep import keep
from training.data.stream.merge import merge
from training.data.stream.records import Source, open_source
from training.data.stream.walk import Walk, list_rows
from training.data.table import Table
from training.errors import DataError, TooFewLabels

FOLDER = "stream"
_ENTRIES, _ACTIONS, _FOUND = "entries", "actions", "found.json"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """A task as reading needs to know it."""

    name: str
    labels: tuple[str, ...] | None


def prepare_stream(
    data: Path,
    directory: Path,
    wanted: Mapping[str, tuple[str, ...] | None],
    tasks_of: Callable[[Table], tuple[Task, ...]],
    assign: Assign,
    max_reject_share: float,
    say: Say,
) -> StreamedDesk:
    """Indexes and splits a run's tickets into `directory/stream`; writes splits and rejects.

    A run that goes on finds what it began with. wanted: task name to its fixed labels, or None.
    tasks_of: the tasks of the table, whose counts alone are known. assign: the split of each row of
    a table, by id. Raises DataError, also where the file is not the one that the run began with.
    """
    specs = [Wanted(name, labels) for name, labels in wanted.items()]
    folder = directory / FOLDER
    folder.mkdir(exist_ok=True)
    source = open_source(data, specs)
    identity = _digest(data)
    known = _known(folder / _FOUND, identity)
    allowed = {one.name: None if one.labels is None else set(one.labels) for one in specs}
    if known is None:
        say(f"indexing {data.name}; near-duplicates are not looked for in a streamed run")
        known = _index(source, folder, allowed, assign, directory)
        keep(folder / _FOUND, {"file": identity, "found": known.document()})
    known.check(max_reject_share)
    table = StreamedTable((), known)
    _tell(table, data, say)
    walk = Walk(
        source,
        allowed,
        known.labels,
        open_entries(folder / _ENTRIES, len(specs)),
        mapped(folder / _ACTIONS, np.uint8),
    )
    tasks = tasks_of(table)
    _check_coverage(tasks, known)
    return StreamedDesk(table, tasks, folder, walk)


def _index(
    source: Source, folder: Path, allowed: Mapping[str, Any], assign: Assign, directory: Path
) -> Found:
    index = Index(folder / _ENTRIES, allowed, assign)
    entries_N = index.read(source)
    action_N = merge(entries_N, folder / _ACTIONS)
    if len(entries_N) == 0:
        raise DataError(f"{source.path.name} holds no rows that can be used")
    names = {task: index.labels.names(task) for task in allowed}
    walk = Walk(source, allowed, names, entries_N, action_N)
    listed = list_rows(walk, directory / "rejects.csv", directory / "splits.csv")
    tickets, counted = count_labels(index.labels, entries_N, action_N)
    told = [(rule, action, count) for (rule, action), count in listed.told.items()]
    rows, made = index.counts.rows, index.counts.made_ids
    return Found(rows, made, told, listed.fingerprint, names, tickets, counted)


def _tell(table: StreamedTable, data: Path, say: Say) -> None:
    found = table.found
    say(f"{data.name}: {len(table)} tickets of {found.rows} rows; rejects.csv lists the rest")
    for line in found.summary().splitlines():
        say(line)
    if found.made_ids:
        say(f"{found.made_ids} rows without an id got one made from their text")
    say("split: " + ", ".join(f"{name} {count}" for name, count in found.tickets.items()))


def _check_coverage(tasks: tuple[Task, ...], found: Found) -> None:
    for task in tasks:
        for split, tickets in found.tickets.items():
            if not found.counts(task.name, split).keys() & set(task.labels):
                raise TooFewLabels(
                    f"task {task.name} needs a labelled ticket in every split, "
                    f"found none among the {tickets} of {split}"
                )


def _known(place: Path, identity: str) -> Found | None:
    if not place.exists():
        return None
    document = json.loads(place.read_text(encoding="utf-8"))
    if document["file"] != identity:
        raise DataError("the file of tickets has changed since the run began; start a new run")
    return Found(**document["found"])


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
