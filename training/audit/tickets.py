"""What every check of a desk reads: numbers of each ticket, and texts, one pass after another.

Shapes: N tickets in the order of their file, M of them, D copies.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.contract.tasks import Task
from training.data.table import Row

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]

NO_SPLIT = -1
UNDATED = np.iinfo(np.int64).max
_BATCH, _CHARACTERS = 1024, 1 << 18


class Tickets(Protocol):
    """Tickets as a run would read them, and where each of them goes; in memory or on disk."""

    @property
    def streamed(self) -> bool:
        """Whether the texts may be more than memory holds."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Of the configuration, with their labels."""

    @property
    def fingerprint(self) -> str:
        """Of the file's whole table, as a run notes it."""

    @property
    def given(self) -> bool:
        """Whether the splits are the user's own."""

    def __len__(self) -> int: ...

    @property
    def labels(self) -> Mapping[str, IntArray]:
        """By task (N,): a label's place among the task's labels, -1 for a ticket without one."""

    @property
    def split_N(self) -> IntArray:
        """Each ticket's place among SPLITS, NO_SPLIT for one that the given splits leave out."""

    @property
    def groups(self) -> int:
        """How many groups of near-duplicates there are."""

    @property
    def group_N(self) -> IntArray:
        """Each ticket's group, from 0 to `groups` - 1."""

    @property
    def copies(self) -> tuple[IntArray, IntArray]:
        """Rows that were merged into a ticket and that the given splits name: that ticket's place,
        and the row's own split, both (D,).
        """

    @property
    def columns(self) -> Mapping[str, IntArray]:
        """Columns beside the text, as codes (N,) from 0."""

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Columns with more values than are looked at."""

    @property
    def times_N(self) -> IntArray:
        """Microseconds since 1970, UNDATED without a time."""

    @property
    def words_N(self) -> IntArray:
        """Words of each text."""

    @property
    def characters(self) -> int:
        """Of all texts together."""

    @property
    def ids(self) -> Sequence[str]:
        """(N,)."""

    def texts(self) -> Iterator[str]:
        """Every text, in order; a new pass each time."""

    def rows_at(self, places_M: IntArray) -> Iterator[Row]:
        """The tickets at ascending places."""

    def scratch(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """Zeros to be written to, kept where the texts are."""


@dataclass(frozen=True)
class Texts:
    """The texts at ascending places (M,); each time they are asked for, they are read."""

    tickets: Tickets
    places_M: IntArray

    def __len__(self) -> int:
        return len(self.places_M)

    def __iter__(self) -> Iterator[str]:
        return (row.text for row in self.tickets.rows_at(self.places_M))


def affordable(tickets: Tickets, most: int, characters: int) -> int:
    """At most `most` tickets; of those on disk, no more than have so many characters on average."""
    if not tickets.streamed:
        return most
    return max(1, min(most, characters * len(tickets) // max(tickets.characters, 1)))


def batches(texts: Iterable[str], characters: int = _CHARACTERS) -> Iterator[list[str]]:
    """The texts in lists of at most 1,024 tickets, and of little more than so many characters."""
    part: list[str] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if len(part) == _BATCH or size >= characters:
            yield part
            part, size = [], 0
    if part:
        yield part
