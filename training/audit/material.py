"""A file of tickets, a run's configuration and perhaps its splits come in; what the checks read
goes out.
"""

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from service.contract.tasks import Task
from service.contract.ticket import render
from training.audit.streamed import StreamedMaterial
from training.audit.tickets import NO_SPLIT, FloatArray, IntArray, Tickets
from training.audit.traits import TraitReader, Traits
from training.config import RunConfig
from training.data.read import open_records
from training.data.split import SPLITS, read_splits
from training.data.stream import StreamedDesk
from training.data.table import Row, Table, text_key
from training.errors import DataError
from training.evaluate import Measures
from training.listener import Listener
from training.prepare import SPLIT_FILE, Desk, note_origin, prepare


@dataclass(frozen=True)
class Material:
    """Tickets in memory, as a run would read them, and where each of them goes; see `Tickets`.

    table: with the tasks' own labels only; fingerprint: of the file's whole table, as a run notes
    it. split_of: ticket id to split; a ticket that the given splits leave out is in none. group_of:
    ticket id to its near-duplicate group. copies_of: id of a row that the table merged into another
    one, to that one's id, and copy_split to the split that the given splits name for it; both are
    empty without. given: whether the splits are the user's own.
    """

    table: Table
    fingerprint: str
    tasks: tuple[Task, ...]
    split_of: Mapping[str, str]
    group_of: Mapping[str, str]
    copies_of: Mapping[str, str]
    copy_split: Mapping[str, str]
    given: bool

    streamed = False

    def __len__(self) -> int:
        return len(self.table)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The tickets in the order of their file."""
        return self.table.rows

    @cached_property
    def labels(self) -> dict[str, IntArray]:
        """See `Tickets`."""
        found = {}
        for task in self.tasks:
            place = {label: number for number, label in enumerate(task.labels)}
            found[task.name] = np.array(
                [place.get(row.labels.get(task.name, ""), -1) for row in self.rows], dtype=np.int64
            )
        return found

    @cached_property
    def split_N(self) -> IntArray:
        """See `Tickets`."""
        place = {name: number for number, name in enumerate(SPLITS)}
        splits = (self.split_of.get(row.id, "") for row in self.rows)
        return np.array([place.get(split, NO_SPLIT) for split in splits], dtype=np.int64)

    @property
    def groups(self) -> int:
        """Those of the whole file, also where tickets were drawn from it."""
        return len(self._group_places)

    @cached_property
    def group_N(self) -> IntArray:
        """See `Tickets`."""
        found = [self._group_places[self.group_of[row.id]] for row in self.rows]
        return np.array(found, dtype=np.int64)

    @cached_property
    def _group_places(self) -> dict[str, int]:
        return {group: at for at, group in enumerate(sorted(set(self.group_of.values())))}

    @cached_property
    def copies(self) -> tuple[IntArray, IntArray]:
        """See `Tickets`."""
        place = {row.id: number for number, row in enumerate(self.rows)}
        splits = [SPLITS.index(self.copy_split[copy]) for copy in self.copies_of]
        places = [place[same] for same in self.copies_of.values()]
        return np.array(places, dtype=np.int64), np.array(splits, dtype=np.int64)

    @cached_property
    def _traits(self) -> Traits:
        reader = TraitReader()
        for row in self.rows:
            reader.add(row)
        return reader.finish()

    @property
    def columns(self) -> Mapping[str, IntArray]:
        """See `Tickets`."""
        return self._traits.columns

    @property
    def uncounted(self) -> tuple[str, ...]:
        """See `Tickets`."""
        return self._traits.uncounted

    @property
    def times_N(self) -> IntArray:
        """See `Tickets`."""
        return self._traits.times_N

    @cached_property
    def words_N(self) -> IntArray:
        """See `Tickets`."""
        return np.array([len(text.split()) for text in self.texts()], dtype=np.int64)

    @cached_property
    def characters(self) -> int:
        """See `Tickets`."""
        return sum(map(len, self.texts()))

    @cached_property
    def ids(self) -> Sequence[str]:
        """See `Tickets`."""
        return tuple(row.id for row in self.rows)

    def texts(self) -> Iterator[str]:
        """See `Tickets`."""
        return (row.text for row in self.rows)

    def rows_at(self, places_M: IntArray) -> Iterator[Row]:
        """See `Tickets`."""
        return (self.rows[place] for place in places_M)

    def scratch(self, name: str, shape: tuple[int, ...]) -> FloatArray:  # noqa: ARG002 - of a file
        """See `Tickets`."""
        return np.zeros(shape)


@contextmanager
def gather(data: Path, config: RunConfig, splits: Path | None = None) -> Iterator[Tickets]:
    """Reads and splits as a run of this configuration would; writes nothing that stays.

    splits: a file `id,split` in place of the configuration's own split. Where the run would stream
    its tickets, they stay on disk. Raises TrainingError.
    """
    with tempfile.TemporaryDirectory() as place:
        note_origin(Path(place), data)
        desk = prepare(config, Path(place), _SILENT)
        if isinstance(desk, StreamedDesk):
            yield StreamedMaterial(desk, Path(place), splits)
        else:
            yield _held(desk, Path(place), data, splits)


def only(tickets: Tickets, places_M: IntArray) -> Material:
    """The tickets at ascending places, in memory; their splits are not known to be given."""
    table = Table(tuple(tickets.rows_at(places_M)))
    if isinstance(tickets, Material):
        return replace(tickets, table=table)
    named = [(row.id, place) for row, place in zip(table.rows, places_M, strict=True)]
    split_of = {
        name: SPLITS[split] for name, place in named if (split := tickets.split_N[place]) >= 0
    }
    group_of = {name: f"{tickets.group_N[place]:016}" for name, place in named}
    mark, tasks = tickets.fingerprint, tickets.tasks
    return Material(table, mark, tasks, split_of, group_of, {}, {}, given=False)


def _held(desk: Desk, directory: Path, data: Path, splits: Path | None) -> Material:
    groups = _groups(directory / SPLIT_FILE)
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
