"""Rows come in, one after another; what the checks know of each beside its text goes out.

Shapes: N tickets.
"""

import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from training.audit.tickets import UNDATED, IntArray
from training.data.table import Row

SOURCE = "source"
_FLAGS = ("subject empty", "body empty", "created_at empty")
_START, _TICK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True)
class Traits:
    """columns: as codes (N,) from 0, in the order of their values. uncounted: the names of those
    with more values than were asked for. times_N: see `Tickets`.
    """

    columns: Mapping[str, IntArray]
    uncounted: tuple[str, ...]
    times_N: IntArray


class TraitReader:
    """Numbers of rows. most_sources: with more different sources, theirs are not coded."""

    def __init__(self, most_sources: int = sys.maxsize) -> None:
        self._most = most_sources
        self._sources: dict[str, int] = {}
        self._source, self._times = array("q"), array("q")
        self._flags = {name: array("b") for name in _FLAGS}

    def add(self, row: Row) -> None:
        """Takes the next row."""
        if len(self._sources) <= self._most:
            self._source.append(self._sources.setdefault(row.source, len(self._sources)))
        when = row.created_at
        self._times.append(UNDATED if when is None else (when - _START) // _TICK)
        empty = (not row.subject.strip(), not row.body.strip(), when is None)
        for flags, value in zip(self._flags.values(), empty, strict=True):
            flags.append(value)

    def finish(self) -> Traits:
        """Of all rows that were added."""
        columns = {name: _coded(flags) for name, flags in self._flags.items()}
        times_N = as_integers(self._times)
        if len(self._sources) > self._most:
            return Traits(columns, (SOURCE,), times_N)
        rank = np.empty(len(self._sources), dtype=np.int64)
        rank[[self._sources[name] for name in sorted(self._sources)]] = np.arange(len(rank))
        return Traits({SOURCE: rank[as_integers(self._source)], **columns}, (), times_N)


def as_integers(values: "array[int]") -> IntArray:
    """The values as they lie there, of eight bytes each (N,)."""
    return np.frombuffer(values, dtype=np.int64) if values else np.empty(0, dtype=np.int64)


def _coded(flags: "array[int]") -> IntArray:
    return np.unique(np.array(flags, dtype=np.int64), return_inverse=True)[1]
