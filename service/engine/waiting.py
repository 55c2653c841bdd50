"""Tickets that wait come in; they lie sorted by length, as arrays that are scored at once."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.contract.tokens import Tokens

Payload = TypeVar("Payload")


@dataclass(slots=True, eq=False)
class Entry(Generic[Payload]):
    """One ticket in the queue.

    deadline, arrived: seconds on the batcher's clock. weight: of its priority. payload: the
    caller's, passed through.
    """

    tokens: Tokens
    deadline: float
    weight: float
    arrived: float
    payload: Payload


class WaitingLine(Generic[Payload]):
    """At most `capacity` entries in order of length; equal lengths in order of arrival.

    Inserting and removing shift a few kilobytes; nothing is built anew when a batch is chosen.
    """

    def __init__(self, capacity: int) -> None:
        self._entries: list[Entry[Payload]] = []
        self._columns = np.zeros((4, capacity))
        self.tokens = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Tokens of each entry, ascending."""
        return self._column(0)

    @property
    def arrivals(self) -> NDArray[np.float64]:
        """When each entry arrived, in seconds."""
        return self._column(1)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Each entry's priority weight."""
        return self._column(2)

    @property
    def deadlines(self) -> NDArray[np.float64]:
        """Each entry's deadline, in seconds."""
        return self._column(3)

    def add(self, entry: Entry[Payload]) -> None:
        """Inserts behind the entries that are as long or shorter."""
        size, length = len(self), len(entry.tokens)
        at = int(np.searchsorted(self.lengths, length, side="right"))
        self._columns[:, at + 1 : size + 1] = self._columns[:, at:size]
        self._columns[:, at] = (length, entry.arrived, entry.weight, entry.deadline)
        self._entries.insert(at, entry)
        self.tokens += length

    def remove(self, entry: Entry[Payload]) -> bool:
        """Takes one entry out; False where it is not here any more."""
        length = len(entry.tokens)
        at = int(np.searchsorted(self.lengths, length, side="left"))
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
        del self._entries[start:stop]
        self.tokens -= sum(len(entry.tokens) for entry in taken)
        return taken

    def take_expired(self, now: float) -> list[Entry[Payload]]:
        """Takes out every entry whose deadline has passed."""
        late = np.flatnonzero(self.deadlines <= now)
        return [entry for at in late[::-1] for entry in self.take(int(at), int(at) + 1)]

    def _column(self, number: int) -> NDArray[np.float64]:
        column_N: NDArray[np.float64] = self._columns[number, : len(self._entries)]
        return column_N
