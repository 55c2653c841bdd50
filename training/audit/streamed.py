"""A desk that is kept on disk, and perhaps its splits, come in; what the checks read goes out.

Shapes: N tickets in the order of their file, M of them, D copies.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from service.contract.tasks import Task
from service.contract.ticket import render
from training.audit.given import Given, Keys, last_of_each, read_given
from training.audit.tickets import NO_SPLIT, FloatArray, IntArray
from training.audit.traits import TraitReader, Traits, as_integers
from training.data.split import SPLITS
from training.data.stream import StreamedDesk
from training.data.stream.duplicates import near_duplicate_roots
from training.data.stream.index import _hash
from training.data.stream.merge import KEPT
from training.data.stream.ragged import RaggedWriter, open_names
from training.data.table import Row, text_key
from training.errors import DataError

MOST_SOURCES = 10_000
"""Different sources that are told apart; a column with more of them is not looked at."""
_IDS = "names"
_TOGETHER = 1024


@dataclass(frozen=True)
class StreamedMaterial:
    """Tickets on disk; see `Tickets`. What memory holds is some 200 bytes of numbers a ticket.

    folder: where files may be left. splits: a file `id,split` in place of the run's own split.
    """

    desk: StreamedDesk
    folder: Path
    splits: Path | None = None

    streamed = True

    @property
    def tasks(self) -> tuple[Task, ...]:
        """See `Tickets`."""
        return self.desk.tasks

    @property
    def fingerprint(self) -> str:
        """See `Tickets`."""
        return self.desk.table.fingerprint

    @property
    def given(self) -> bool:
        """See `Tickets`."""
        return self.splits is not None

    def __len__(self) -> int:
        return len(self.desk.table)

    @property
    def labels(self) -> Mapping[str, IntArray]:
        """See `Tickets`."""
        return self._read.labels

    @cached_property
    def split_N(self) -> IntArray:
        """See `Tickets`."""
        return self._read.split_N if self._given is None else self._given.of(self._id_N)

    @property
    def groups(self) -> int:
        """See `Tickets`."""
        return int(self.group_N.max()) + 1

    @cached_property
    def group_N(self) -> IntArray:
        """See `Tickets`; in the order of their canonical members' text keys, as in memory."""
        root_N = near_duplicate_roots(self.texts(), self.folder)
        key_N = self._text_N
        order_N = np.lexsort((key_N, self.times_N, root_N))
        _, first, inverse_N = np.unique(root_N[order_N], return_index=True, return_inverse=True)
        canonical_N = np.empty_like(key_N)
        canonical_N[order_N] = key_N[order_N][first][inverse_N]
        return np.unique(canonical_N, return_inverse=True)[1]

    @cached_property
    def copies(self) -> tuple[IntArray, IntArray]:
        """See `Tickets`."""
        nothing = np.empty(0, dtype=np.int64)
        if self._given is None:
            return nothing, nothing
        strangers = self._given.beyond(self._id_N)
        names, places = array("Q"), array("q")
        for name, place in self._same_text(strangers) if len(strangers) else ():
            names.append(name)
            places.append(place)
        name_D, last_D = last_of_each(np.array(names, dtype=np.uint64))
        return as_integers(places)[last_D], self._given.of(name_D)

    @property
    def columns(self) -> Mapping[str, IntArray]:
        """See `Tickets`."""
        return self._read.traits.columns

    @property
    def uncounted(self) -> tuple[str, ...]:
        """See `Tickets`."""
        return self._read.traits.uncounted

    @property
    def times_N(self) -> IntArray:
        """See `Tickets`."""
        return self._read.traits.times_N

    @property
    def words_N(self) -> IntArray:
        """See `Tickets`."""
        return self._read.words_N

    @property
    def characters(self) -> int:
        """See `Tickets`."""
        return self._read.characters

    @property
    def ids(self) -> Sequence[str]:
        """See `Tickets`."""
        return self._read.ids

    def texts(self) -> Iterator[str]:
        """See `Tickets`."""
        return (ticket.row.text for ticket in self.desk.walk.tickets())

    def rows_at(self, places_M: IntArray) -> Iterator[Row]:
        """See `Tickets`."""
        wanted_N = np.zeros(len(self), dtype=bool)
        wanted_N[places_M] = True
        for place, ticket in enumerate(self.desk.walk.tickets()):
            if wanted_N[place]:
                yield ticket.row

    def scratch(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """See `Tickets`."""
        return np.memmap(self.folder / f"scratch-{name}", np.float64, "w+", shape=shape)

    @cached_property
    def _read(self) -> "_Read":
        return _read(self.desk, self.folder)

    @cached_property
    def _given(self) -> Given | None:
        if self.splits is None:
            return None
        found = read_given(self.splits)
        if not (found.of(self._id_N) != NO_SPLIT).any():
            data = self.desk.walk.source.path.name
            raise DataError(f"{self.splits.name} names none of the {len(self):,} tickets of {data}")
        return found

    @cached_property
    def _id_N(self) -> Keys:
        return self._kept("id")

    @cached_property
    def _text_N(self) -> Keys:
        return self._kept("text")

    def _kept(self, field: str) -> Keys:
        walk = self.desk.walk
        return np.asarray(walk.entries_N[field][walk.action_N == KEPT], dtype=np.uint64)

    def _same_text(self, strangers: Keys) -> Iterator[tuple[int, int]]:
        """Of the file's rows with such ids, those whose text a ticket has: id's hash and place."""
        order_N = np.argsort(self._text_N)
        for record in self.desk.walk.source.records():
            name = _name(record.fields.get("id", ""))
            if _at(strangers, name) is not None:
                text = render(record.fields.get("subject", ""), record.fields.get("body", ""))
                same = _at(self._text_N, int(text_key(text)[:16], 16), order_N)
                if same is not None:
                    yield name, int(order_N[same])


@dataclass(frozen=True)
class _Read:
    """What one pass over the tickets found."""

    labels: dict[str, IntArray]
    split_N: IntArray
    traits: Traits
    words_N: IntArray
    characters: int
    ids: Sequence[str]


def _read(desk: StreamedDesk, folder: Path) -> _Read:
    labels = {task.name: array("q") for task in desk.tasks}
    places = {task.name: {one: at for at, one in enumerate(task.labels)} for task in desk.tasks}
    splits, words = array("q"), array("q")
    traits, characters, names = TraitReader(MOST_SOURCES), 0, list[bytes]()
    with RaggedWriter(folder, _IDS) as ids:
        for ticket in desk.walk.tickets():
            row = ticket.row
            for task, column in labels.items():
                column.append(places[task].get(row.labels.get(task, ""), -1))
            splits.append(SPLITS.index(ticket.split))
            traits.add(row)
            words.append(len(row.text.split()))
            characters += len(row.text)
            names.append(row.id.encode())
            if len(names) == _TOGETHER:
                ids.add(names)
                names.clear()
        ids.add(names)
    return _Read(
        {task: as_integers(column) for task, column in labels.items()},
        as_integers(splits),
        traits.finish(),
        as_integers(words),
        characters,
        open_names(folder, _IDS),
    )


def _at(sorted_M: Keys, key: int, order_M: IntArray | None = None) -> int | None:
    """The place of a key among ascending ones, or ones that `order_M` sorts; None without it."""
    place = int(np.searchsorted(sorted_M, np.uint64(key), sorter=order_M))
    if place == len(sorted_M):
        return None
    found = sorted_M[place if order_M is None else order_M[place]]
    return place if int(found) == key else None


def _name(text: str) -> int:
    """The hash of an id as a file has it; 0 for one that is no UTF-8, which no ticket has."""
    with suppress(UnicodeEncodeError):
        return _hash(text.strip())
    return 0
