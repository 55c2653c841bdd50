"""The entries of a file's rows come in; which rows are kept, and with which labels, goes out.

The rules are those of `training.data.merge.Merger`; memory holds some rows' keys, never all rows.

Shapes: N rows, T tasks, P rows of one part, G groups of one part.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.stream.index import MISSING, Entries, mapped

KEPT, MERGED, SAME_ID = 0, 1, 2
"""What becomes of a row: it stays, gives its labels to an earlier row with its text, or is rejected
since an earlier row with another text has its id.
"""
CONFLICT = -2
"""The code of a label that rows with the same text disagree on."""

PART_ROWS = 1 << 20
"""Rows that are sorted at once, on average."""

_BLOCK = 1 << 20


def merge(entries_N: Entries, path: Path, part_rows: int = PART_ROWS) -> NDArray[np.uint8]:
    """What becomes of each row (N,), written to `path`; the labels in `entries_N` become those
    after merging.
    """
    np.zeros(len(entries_N), np.uint8).tofile(path)
    action_N = mapped(path, np.uint8, "r+")
    for at_P in _parts(entries_N["id"], part_rows):
        _reject_ids(entries_N, action_N, at_P)
    for at_P in _parts(entries_N["text"], part_rows):
        _merge_texts(entries_N, action_N, at_P[action_N[at_P] != SAME_ID])
    return action_N


def _parts(keys_N: NDArray[np.uint64], rows: int) -> Iterator[NDArray[np.int64]]:
    """Positions of rows, equal keys together and each in the order of the file."""
    parts = max(1, -(-len(keys_N) // rows))
    for part in range(parts):
        found = [
            start + np.flatnonzero(keys_N[start : start + _BLOCK] % np.uint64(parts) == part)
            for start in range(0, len(keys_N), _BLOCK)
        ]
        at_P = np.concatenate([np.empty(0, np.int64), *found])
        yield at_P[np.argsort(keys_N[at_P], kind="stable")]


def _starts(keys_P: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each group of equal keys starts (G,)."""
    return np.flatnonzero(np.append(True, keys_P[1:] != keys_P[:-1]))[: len(keys_P)]


def _reject_ids(entries_N: Entries, action_N: NDArray[Any], at_P: NDArray[np.int64]) -> None:
    starts_G = _starts(entries_N["id"][at_P])
    text_P = entries_N["text"][at_P]
    sizes_G = np.diff(np.append(starts_G, len(at_P)))
    action_N[at_P[text_P != np.repeat(text_P[starts_G], sizes_G)]] = SAME_ID


def _merge_texts(entries_N: Entries, action_N: NDArray[Any], at_P: NDArray[np.int64]) -> None:
    if len(at_P) == 0:
        return
    starts_G = _starts(entries_N["text"][at_P])
    sizes_G = np.diff(np.append(starts_G, len(at_P)))
    labels_PT = entries_N["labels"][at_P]
    high_GT = np.maximum.reduceat(labels_PT, starts_G, axis=0)
    none = np.iinfo(labels_PT.dtype).max
    low_GT = np.minimum.reduceat(np.where(labels_PT == MISSING, none, labels_PT), starts_G, axis=0)
    clash_GT = (high_GT != MISSING) & (low_GT != high_GT)
    clash_PT = np.repeat(clash_GT, sizes_G, axis=0) & (labels_PT != MISSING)
    fresh_PT = np.where(clash_PT, CONFLICT, labels_PT)
    first_GT = fresh_PT[starts_G]
    fresh_PT[starts_G] = np.where(clash_GT, np.minimum(first_GT, MISSING), high_GT)
    entries_N["labels"][at_P] = fresh_PT
    action_N[at_P] = MERGED
    action_N[at_P[starts_G]] = KEPT
