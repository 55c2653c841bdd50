"""Texts come in, one after another; for each the place of its group's first text goes out.

The groups of `training.data.duplicates`, whose sketches and shingles are kept in files here: a text
takes about as much disk again, and some 40 bytes of memory.

Shapes: N texts, P texts of a part, B bands, M texts that differ.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from training.data.duplicates import (
    _BAND_ROWS,
    _BANDS,
    _PERMUTATIONS,
    THRESHOLD,
    _Forest,
    _identity,
    _mix,
    _Shingles,
    _shingles,
    jaccard,
)
from training.data.stream.index import mapped
from training.data.stream.ragged import RaggedWriter, open_ragged
from training.data.stream.store import _Ragged

IntArray = NDArray[np.int64]

_PART = 256
_SHINGLES, _WHOLE = "shingles", "whole"


def near_duplicate_roots(texts: Iterator[str], folder: Path) -> IntArray:
    """As `near_duplicate_groups` (N,). texts: read once. folder: where files may be left."""
    _sketch(texts, folder)
    whole_N = mapped(folder / _WHOLE, "<u8")
    _, first, inverse_N = np.unique(whole_N, return_index=True, return_inverse=True)
    first_N = first[inverse_N]
    forest = _Forest(len(whole_N))
    for place in np.flatnonzero(first_N != np.arange(len(first_N))).tolist():
        forest.join(int(first_N[place]), place)
    apart_M = np.flatnonzero(first_N == np.arange(len(first_N)))
    shingles = open_ragged(folder, _SHINGLES, "<u8")
    for band in range(_BANDS):
        for members in _meetings(mapped(folder / _band(band), "<u8")[apart_M]):
            _join_close(apart_M[members].tolist(), shingles, forest)
    return np.fromiter(map(forest.root, range(len(first_N))), np.int64, len(first_N))


def _band(number: int) -> str:
    return f"band{number}"


def _sketch(texts: Iterator[str], folder: Path) -> None:
    """Writes each text's shingles, a hash of all of them, and the hash of each band."""
    with ExitStack() as stack:
        shingles = stack.enter_context(RaggedWriter(folder, _SHINGLES))
        whole = stack.enter_context((folder / _WHOLE).open("wb"))
        bands = [stack.enter_context((folder / _band(at)).open("wb")) for at in range(_BANDS)]
        while found := [_shingles(text) for text in islice(texts, _PART)]:
            shingles.add([one.tobytes() for one in found])
            whole.write(b"".join(blake2b(one.tobytes(), digest_size=8).digest() for one in found))
            for band, key_P in zip(bands, _keys(found).T, strict=True):
                band.write(key_P.tobytes())


def _keys(found: Sequence[_Shingles]) -> NDArray[np.uint64]:
    """(P, B): equal for texts whose sketches agree on a band."""
    lists = ((one & np.uint64(0xFFFFFFFF)).tolist() for one in found)
    sketches = MinHash.generator(lists, num_perm=_PERMUTATIONS, hashfunc=_identity)
    rows = np.stack([one.hashvalues[: _BANDS * _BAND_ROWS] for one in sketches])
    parts_PBR = rows.astype(np.uint64).reshape(-1, _BANDS, _BAND_ROWS)
    keys_PB = np.zeros(parts_PBR.shape[:2], np.uint64)
    for row in range(_BAND_ROWS):
        keys_PB = _mix(keys_PB + parts_PBR[:, :, row] + np.uint64(row + 1))
    return keys_PB


def _meetings(key_M: NDArray[np.uint64]) -> Iterator[IntArray]:
    """The places, ascending, of each key that stands on two texts or more."""
    order_M = np.argsort(key_M, kind="stable")
    edges = np.flatnonzero(np.diff(key_M[order_M])) + 1
    starts, ends = np.append(0, edges), np.append(edges, len(order_M))
    for at in np.flatnonzero(ends - starts > 1):
        yield order_M[starts[at] : ends[at]]


def _join_close(members: list[int], shingles: _Ragged, forest: _Forest) -> None:
    """Compares texts of a bucket until they hang together: of a thousand copies of one template
    each is compared with one or a few.
    """
    groups: list[list[int]] = []
    for place in members:
        mine, apart = [place], []
        for group in groups:
            if _is_close(place, group, shingles, forest):
                forest.join(group[0], place)
                group += mine
                mine = group
            else:
                apart.append(group)
        groups = [*apart, mine]


def _is_close(place: int, group: list[int], shingles: _Ragged, forest: _Forest) -> bool:
    """To one of a group that hangs together."""
    if forest.root(group[0]) == forest.root(place):
        return True
    own = shingles.at(place)
    return any(jaccard(own, shingles.at(other)) >= THRESHOLD for other in group)
