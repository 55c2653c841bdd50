"""A file of tickets, a run's configuration and perhaps its splits come in; what the checks read
goes out.
"""

import csv
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.contract.tasks import Task
from service.contract.ticket import render
from training.config import RunConfig
from training.data.read import open_records
from training.data.split import SPLITS, read_splits
from training.data.table import Row, Table, text_key
from training.errors import DataError
from training.evaluate import Measures
from training.listener import Listener
from training.prepare import SPLIT_FILE, Desk, note_origin, prepare_rows

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """Tickets as a run would read them, and where each of them goes.

    table: with the tasks' own labels only; fingerprint: of the file's whole table, as a run notes
    it. split_of: ticket id to split; a ticket that the given splits leave out is in none. group_of:
    ticket id to its near-duplicate group. copies: id of a row that the table merged into another
    one, to that one's id, and copy_split to the split that the given splits name for it; both are
    empty without. given: whether the splits are the user's own.
    """

    table: Table
    fingerprint: str
    tasks: tuple[Task, ...]
    split_of: Mapping[str, str]
    group_of: Mapping[str, str]
    copies: Mapping[str, str]
    copy_split: Mapping[str, str]
    given: bool

    @property
    def rows(self) -> tuple[Row, ...]:
        """The tickets in the order of their file."""
        return self.table.rows

    @cached_property
    def labels(self) -> dict[str, IntArray]:
        """By task (N,): a label's place among the task's labels, -1 for a ticket without one."""
        found = {}
        for task in self.tasks:
            place = {label: number for number, label in enumerate(task.labels)}
            found[task.name] = np.array(
                [place.get(row.labels.get(task.name, ""), -1) for row in self.rows], dtype=np.int64
            )
        return found


def gather(data: Path, config: RunConfig, splits: Path | None = None) -> Material:
    """Reads and splits as a run of this configuration would; writes nothing that stays.

    splits: a file `id,split` in place of the configuration's own split. Raises TrainingError.
    """
    with tempfile.TemporaryDirectory() as place:
        note_origin(Path(place), data)
        desk = prepare_rows(config, Path(place), _SILENT)
        groups = _groups(Path(place) / SPLIT_FILE)
    table = desk.table.restrict(desk.tasks)
    mark = desk.table.fingerprint
    if splits is None:
        return Material(table, mark, desk.tasks, _assignment(desk), groups, {}, {}, given=False)
    assignment = read_splits(splits)
    known = {row.id for row in table.rows}
    if not known & assignment.keys():
        raise DataError(f"{splits.name} names none of the {len(known):,} tickets of {data.name}")
    copies = _copies(data, table, assignment.keys() - known)
    return Material(
        table,
        mark,
        desk.tasks,
        {row.id: assignment[row.id] for row in table.rows if row.id in assignment},
        groups,
        copies,
        {copy: assignment[copy] for copy in copies},
        given=True,
    )


def _assignment(desk: Desk) -> dict[str, str]:
    return {row.id: split for split in SPLITS for row in desk.rows[split]}


def _groups(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {line["id"]: line["group"] for line in csv.DictReader(stream)}


def _copies(data: Path, table: Table, strangers: set[str]) -> dict[str, str]:
    """Of the ids that the table lacks, those whose text a ticket of the table has."""
    if not strangers:
        return {}
    keys = {text_key(row.text): row.id for row in table.rows}
    found = {}
    for record in open_records(data).records:
        name = record.fields.get("id", "").strip()
        if name in strangers:
            text = render(record.fields.get("subject", ""), record.fields.get("body", ""))
            if (same := keys.get(text_key(text))) is not None:
                found[name] = same
    return found


def _say(line: str) -> None: ...
def _progress(name: str, done: int, total: int) -> None: ...
def _step(step: int, losses: dict[str, float]) -> None: ...
def _epoch(epoch: int, measures: dict[str, Measures], metric: float) -> None: ...


_SILENT = Listener(say=_say, progress=_progress, step=_step, epoch=_epoch)
