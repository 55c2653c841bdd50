"""Tickets that wait come in; they lie sorted by length, and those that are due first are found."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.contract.tokens import Tokens

Payload = TypeVar("Payload")


@dataclass(slots=True, eq=False)
class Entry(Generic[Payload]):
    """One ticket in the queue.

    deadline, arrived, due: seconds on the batcher's clock; `due` is when it ought to be answered.
    alone_s: what it was predicted to take on its own. payload: the caller's, passed through.
    """

    tokens: Tokens
    deadline: float
    weight: float
    arrived: float
    payload: Payload
    due: float = 0.0
    alone_s: float = 0.001


class WaitingLine(Generic[Payload]):
    """Entries in order of length; equal lengths in order of arrival.

    tokens: of all entries. alone_s: the sum of theirs.
    """

    def __init__(self) -> None:
        self._entries: list[Entry[Payload]] = []
        # Lists, not arrays: most queues are short, and a change is a tenth as dear.
        self._lengths: list[int] = []
        self._by_due: list[tuple[Any, ...]] = []  # Of (due, id, entry): no two compare as equal.
        self._earliest = self._latest = np.inf
        self.tokens = 0
        self.alone_s = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry[Payload]]:
        return iter(self._entries)

    def at(self, position: int) -> Entry[Payload]:
        """The entry at a position, from 0."""
        return self._entries[position]

    def position(self, entry: Entry[Payload]) -> int:
        """Where the entry lies. Raises ValueError where it does not."""
        at = bisect_left(self._lengths, len(entry.tokens))
        while at < len(self) and len(self._entries[at].tokens) == len(entry.tokens):
            if self._entries[at] is entry:
                return at
            at += 1
        raise ValueError("the entry does not wait here")

    def due_until(self, latest: float) -> list[Entry[Payload]]:
        """The entries that are due until then, the earliest first."""
        stop = bisect_right(self._by_due, (latest, inf))
        return [entry for _, _, entry in self._by_due[:stop]]

    @property
    def earliest_due(self) -> float:
        """When the first of all ought to be answered, in seconds."""
        due: float = self._by_due[0][0]
        return due

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Tokens of each entry, ascending."""
        return np.array(self._lengths, dtype=np.float64)

    @property
    def dues(self) -> NDArray[np.float64]:
        """When each entry ought to be answered, in seconds."""
        return np.array([entry.due for entry in self._entries])

    @property
    def alone(self) -> NDArray[np.float64]:
        """What each entry takes on its own, in seconds."""
        return np.array([entry.alone_s for entry in self._entries])

    @property
    def deadlines(self) -> NDArray[np.float64]:
        """Each entry's deadline, in seconds."""
        return np.array([entry.deadline for entry in self._entries])

    @property
    def next_forlorn_s(self) -> float:
        """Before this time every entry can still keep to its deadline."""
        return self._latest

    @property
    def shortest(self) -> Entry[Payload]:
        """The first of the entries with the fewest tokens."""
        return self._entries[0]

    def add(self, entry: Entry[Payload]) -> None:
        """Inserts behind the entries that are as long or shorter."""
        length = len(entry.tokens)
        at = bisect_right(self._lengths, length)
        self._entries.insert(at, entry)
        self._lengths.insert(at, length)
        insort(self._by_due, (entry.due, id(entry), entry))
        self._earliest = min(self._earliest, entry.deadline)
        self._latest = min(self._latest, entry.deadline - entry.alone_s)
        self.tokens += length
        self.alone_s += entry.alone_s

    def remove(self, entry: Entry[Payload]) -> bool:
        """Takes one entry out; False where it is not here any more."""
        try:
            at = self.position(entry)
        except ValueError:
            return False
        self.take(at, at + 1)
        return True

    def take(self, start: int, stop: int) -> list[Entry[Payload]]:
        """Takes the entries from position `start` to before `stop` out."""
        taken = self._entries[start:stop]
        del self._entries[start:stop], self._lengths[start:stop]
        if not self._entries:
            self._by_due.clear()
            self.tokens, self.alone_s = 0, 0.0
            self._earliest = self._latest = np.inf
            return taken
        for entry in taken:
            del self._by_due[bisect_left(self._by_due, (entry.due, id(entry)))]
            self.tokens -= len(entry.tokens)
            self.alone_s -= entry.alone_s
        return taken

    def take_at(self, positions: Sequence[int]) -> list[Entry[Payload]]:
        """Takes the entries at these positions out, in the order in which they are named."""
        if isinstance(positions, range):
            return self.take(positions.start, positions.stop)
        taken = [self._entries[at] for at in positions]
        for at in sorted(positions, reverse=True):
            self.take(at, at + 1)
        return taken

    def take_expired(self, now: float) -> list[Entry[Payload]]:
        """Takes out every entry whose deadline has passed."""
        if now < self._earliest:
            return []
        late = np.flatnonzero(self.deadlines <= now)
        expired = [entry for at in late[::-1] for entry in self.take(int(at), int(at) + 1)]
        if self._entries:
            self._earliest = float(self.deadlines.min())
            self._latest = float((self.deadlines - self.alone).min())
        return expired
