"""Tickets that wait come in; they lie sorted by length, as arrays that are scored at once."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Generic, TypeVar

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
    """At most `capacity` entries in order of length; equal lengths in order of arrival.

    Inserting and removing shift a few kilobytes; nothing is built anew when a batch is chosen.
    tokens: of all entries. alone_s: the sum of theirs.
    """

    def __init__(self, capacity: int) -> None:
        self._entries: list[Entry[Payload]] = []
        # Beside the column: numpy's search lets go of the interpreter, and waits to get it back.
        self._lengths: list[int] = []
        self._columns = np.zeros((4, capacity))
        self._earliest = self._latest = np.inf
        self.tokens = 0
        self.alone_s = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Tokens of each entry, ascending."""
        return self._column(0)

    @property
    def dues(self) -> NDArray[np.float64]:
        """When each entry ought to be answered, in seconds."""
        return self._column(1)

    @property
    def alone(self) -> NDArray[np.float64]:
        """What each entry takes on its own, in seconds."""
        return self._column(2)

    @property
    def deadlines(self) -> NDArray[np.float64]:
        """Each entry's deadline, in seconds."""
        return self._column(3)

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
        size, length = len(self), len(entry.tokens)
        at = bisect_right(self._lengths, length)
        self._columns[:, at + 1 : size + 1] = self._columns[:, at:size]
        latest = entry.deadline - entry.alone_s
        self._columns[:, at] = (length, entry.due, entry.alone_s, entry.deadline)
        self._entries.insert(at, entry)
        self._lengths.insert(at, length)
        self._earliest = min(self._earliest, entry.deadline)
        self._latest = min(self._latest, latest)
        self.tokens += length
        self.alone_s += entry.alone_s

    def remove(self, entry: Entry[Payload]) -> bool:
        """Takes one entry out; False where it is not here any more."""
        length = len(entry.tokens)
        at = bisect_left(self._lengths, length)
        while at < len(self) and len(self._entries[at].tokens) == length:
            if self._entries[at] is entry:
                self.take(at, at + 1)
                return True
            at += 1
        return False

    def take(self, start: int, stop: int) -> list[Entry[Payload]]:
        """Takes the entries from position `start` to before `stop` out."""
        size, taken = len(self), self._entries[start:stop]
        self._columns[:, start : size - (stop - start)] = self._columns[:, stop:size]
        del self._entries[start:stop], self._lengths[start:stop]
        if not self._entries:
            self.tokens, self.alone_s = 0, 0.0
            self._earliest = self._latest = np.inf
            return taken
        for entry in taken:
            self.tokens -= len(entry.tokens)
            self.alone_s -= entry.alone_s
        return taken

    def take_at(self, positions: range | NDArray[np.intp]) -> list[Entry[Payload]]:
        """Takes the entries at these positions out, in the order in which they are named."""
        if isinstance(positions, range):
            return self.take(positions.start, positions.stop)
        taken = [self._entries[at] for at in positions.tolist()]
        for at in np.sort(positions)[::-1].tolist():
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

    def _column(self, number: int) -> NDArray[np.float64]:
        column_N: NDArray[np.float64] = self._columns[number, : len(self._entries)]
        return column_N
