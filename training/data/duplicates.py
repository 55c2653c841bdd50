"""Texts come in; for each the group of its near-duplicates goes out.

Near-duplicates share at least THRESHOLD of their three-word shingles (Jaccard). MinHash and its
banded index (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3) propose pairs,
the exact Jaccard index decides, and groups are transitive. The bands miss a pair at the threshold
with probability (1 - 0.8^5)^25 = 5e-5 and a closer one less often: the margin is in the bands.
"""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from training.data.table import normal_text

THRESHOLD = 0.8
PREFIX_CHARACTERS = 10_000
"""What is compared of a text: about what a model of 2,000 tokens reads, and bounded for logs."""

_SHINGLE_WORDS = 3
_PERMUTATIONS = 128
_BANDS, _BAND_ROWS = 25, 5

_Shingles = NDArray[np.uint64]


def near_duplicate_groups(texts: Sequence[str]) -> list[int]:
    """For each text the position of its group's first text; a text alone gives its own position."""
    first_of: dict[bytes, int] = {}
    forest = _Forest(len(texts))
    shingles: dict[int, _Shingles] = {}
    for position, text in enumerate(texts):
        found = _shingles(text)
        first = first_of.setdefault(found.tobytes(), position)
        forest.join(first, position)
        if first == position:
            shingles[position] = found
    for left, right in _close_pairs(shingles, forest):
        forest.join(left, right)
    return [forest.root(position) for position in range(len(texts))]


class _Forest:
    """Disjoint sets; the smallest position is its set's root."""

    def __init__(self, size: int) -> None:
        self._parents = array("q", range(size))

    def root(self, position: int) -> int:
        while self._parents[position] != position:
            self._parents[position] = self._parents[self._parents[position]]
            position = self._parents[position]
        return position

    def join(self, left: int, right: int) -> None:
        low, high = sorted((self.root(left), self.root(right)))
        self._parents[high] = low


def _close_pairs(shingles: dict[int, _Shingles], forest: _Forest) -> Iterable[tuple[int, int]]:
    """Pairs at or above THRESHOLD that `forest` does not hold together yet."""
    index = MinHashLSH(num_perm=_PERMUTATIONS, params=(_BANDS, _BAND_ROWS))
    lists = ((found & np.uint64(0xFFFFFFFF)).tolist() for found in shingles.values())
    sketches = MinHash.generator(lists, num_perm=_PERMUTATIONS, hashfunc=_identity)
    for position, sketch in zip(shingles, sketches, strict=True):
        for other in index.query(sketch):
            if forest.root(other) == forest.root(position):
                continue
            if jaccard(shingles[position], shingles[other]) >= THRESHOLD:
                yield other, position
        index.insert(position, sketch, check_duplication=False)


def jaccard(left: _Shingles, right: _Shingles) -> float:
    """The share of shingles that two sorted sets have in common, 0 to 1."""
    smaller, larger = sorted((len(left), len(right)))
    if smaller < THRESHOLD * larger:  # The index cannot exceed this ratio.
        return smaller / larger
    common = len(np.intersect1d(left, right, assume_unique=True))
    return common / (smaller + larger - common)


def _identity(value: int) -> int:
    return value


def _shingles(text: str) -> _Shingles:
    """The sorted set of a text's shingles, shape (shingles,); at least one."""
    words = normal_text(text[:PREFIX_CHARACTERS]).split(" ")
    codes = np.fromiter((_word_code(word) for word in words), np.uint64, len(words))
    size = min(_SHINGLE_WORDS, len(codes))
    mixed = np.zeros(len(codes) - size + 1, np.uint64)
    for offset in range(size):
        mixed = _mix(mixed + codes[offset : offset + len(mixed)])
    return np.unique(mixed)


@lru_cache(maxsize=1 << 18)
def _word_code(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


def _mix(values: _Shingles) -> _Shingles:
    """The finaliser of MurmurHash3, so that sums of word codes depend on the order of the words."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))
