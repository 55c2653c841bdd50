"""A file of splits comes in; the split that it gives to any id goes out, ids being hashes.

Shapes: L ids of the file, M ids that are asked about.
"""

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.audit.tickets import NO_SPLIT, IntArray
from training.audit.traits import as_integers
from training.data.split import SPLITS, each_split
from training.data.stream.index import _hash

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Given:
    """A file of splits: ids' hashes, ascending, and the split of each (L,)."""

    name_L: Keys
    split_L: IntArray

    def of(self, name_M: Keys) -> IntArray:
        """The split of each id (M,), NO_SPLIT where the file does not name it."""
        if len(self.name_L) == 0:
            return np.full(len(name_M), NO_SPLIT, dtype=np.int64)
        at_M = np.minimum(np.searchsorted(self.name_L, name_M), len(self.name_L) - 1)
        return np.where(self.name_L[at_M] == name_M, self.split_L[at_M], NO_SPLIT)

    def beyond(self, name_M: Keys) -> Keys:
        """The ids that are none of these, ascending."""
        return self.name_L[~np.isin(self.name_L, name_M)]


def read_given(path: Path) -> Given:
    """Reads a file `id,split`; of an id that stands there twice the last line counts."""
    names, splits = array("Q"), array("q")
    for name, split in each_split(path):
        names.append(_hash(name))
        # A split that is none is raised for when the file was read.
        splits.append(SPLITS.index(split) if split in SPLITS else NO_SPLIT)
    name_L, last_L = last_of_each(np.array(names, dtype=np.uint64))
    return Given(name_L, as_integers(splits)[last_L])


def last_of_each(key_L: Keys) -> tuple[Keys, IntArray]:
    """Each key once, ascending, and the place where it stands last."""
    found, back = np.unique(key_L[::-1], return_index=True)
    return found, len(key_L) - 1 - back
