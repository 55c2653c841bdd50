"""Texts on disk and their labels come in; the words that many of a label's tickets have go out.

Two passes hold a table of counters, 400 kB a label, and a few texts, whatever the number of
tickets. The first
counts hashes of words, two of them a word, as a count-min sketch does (Cormode & Muthukrishnan
2005, Journal of Algorithms 55): such a count is never too low, so no word is missed. The second
counts the words that are left, exactly.

Shapes: P tickets of a part, W words of it, C labels of a task, K labels of all tasks, V words that
are found.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from service.contract.tasks import Task
from training.audit.tickets import IntArray, Tickets, batches

SHARE = 0.25
"""The part of a label's tickets that a word must stand in to be found: half of what is warned of,
so that every word that deserves a warning is found, and the figures are those of memory."""
_HASHES = 2**31 - 1
_SIZES = (1 << 16, 1 << 15)
"""Counters of a label: of the lower and the upper half of a hash of 31 bits."""


@dataclass
class HeavyWords:
    """words: ascending (V,). counts: by task, each label's tickets with each word (V, C)."""

    words: NDArray[np.str_]
    counts: dict[str, IntArray]


@dataclass(frozen=True)
class _Labels:
    """The labels of all tasks, side by side. told_N: each task's own places, from its `first` on,
    below 0 for a ticket without one. least_K: tickets that make a word heavy for a label.
    """

    told_N: list[IntArray]
    least_K: NDArray[np.float64]

    def of(self, start: int, size: int) -> csr_matrix:
        """Which of the tickets from `start` on has which label (P, K), as ones."""
        parts = [told_N[start : start + size] for told_N in self.told_N]
        rows = np.concatenate([np.flatnonzero(part >= 0) for part in parts])
        places = np.concatenate([part[part >= 0] for part in parts])
        ones = np.ones(len(rows), dtype=np.int64)
        return csr_matrix((ones, (rows, places)), shape=(size, len(self.least_K)))


@dataclass
class _Counts:
    """Exact counts of the words that were met, (K,) each."""

    found: dict[str, IntArray] = field(default_factory=dict)

    def add(self, word: str, count_K: IntArray) -> None:
        if word in self.found:
            self.found[word] += count_K
        else:
            self.found[word] = count_K.copy()


def heavy_words(
    material: Tickets, few: int, characters: int, vectorizer: Callable[[], CountVectorizer]
) -> HeavyWords:
    """Every word that stands in SHARE of the tickets of some label, or more.

    few: labels on fewer tickets have none. characters: what is read of a text. vectorizer: one that
    tells words, fresh each time.
    """
    labels = _labels(material, few)
    sketch = _sketch(material, labels, characters, vectorizer())
    counts = _Counts()
    for start, part in _parts(material, characters):
        told_PK = labels.of(start, len(part))
        counting = vectorizer()
        present_PW = counting.fit_transform(part).astype(np.int64)
        words = counting.get_feature_names_out()
        kept = np.flatnonzero(_heavy(sketch, _hashes(words), labels))
        count_WK = (present_PW[:, kept].T @ told_PK).toarray()
        for word, count_K in zip(words[kept].tolist(), count_WK, strict=True):
            counts.add(word, count_K)
    return _found(material.tasks, counts, labels)


def _labels(material: Tickets, few: int) -> _Labels:
    told, least, first = [], list[float](), 0
    for task in material.tasks:
        labels_N = material.labels[task.name]
        count_C = np.bincount(labels_N[labels_N >= 0], minlength=task.classes)
        least += np.where(count_C < few, np.inf, SHARE * count_C).tolist()
        told.append(np.where(labels_N >= 0, labels_N + first, -1))
        first += task.classes
    return _Labels(told, np.array(least))


def _parts(material: Tickets, characters: int) -> Iterator[tuple[int, list[str]]]:
    start = 0
    for part in batches(text[:characters] for text in material.texts()):
        yield start, part
        start += len(part)


def _sketch(
    material: Tickets, labels: _Labels, characters: int, words: CountVectorizer
) -> list[NDArray[np.int32]]:
    """For each half of a hash, how many of a label's tickets may have a word with it."""
    size_K = len(labels.least_K)
    tables = [np.zeros((size, size_K), np.int32) for size in _SIZES]
    hashing = HashingVectorizer(
        analyzer=words.build_analyzer(),
        n_features=_HASHES,
        binary=True,
        norm=None,
        alternate_sign=False,
    )
    for start, part in _parts(material, characters):
        hashed = hashing.transform(part).tocoo()
        told_PK = labels.of(start, len(part))
        for table, half in zip(tables, _halves(hashed.col), strict=True):
            ones = np.ones(len(half), dtype=np.int64)
            shape = (len(part), len(table))
            count = (csr_matrix((ones, (hashed.row, half)), shape=shape).T @ told_PK).tocoo()
            table[count.row, count.col] += count.data.astype(np.int32)
    return tables


def _hashes(words: NDArray[np.str_]) -> IntArray:
    hashing = HashingVectorizer(
        analyzer=_itself, n_features=_HASHES, norm=None, alternate_sign=False
    )
    return np.asarray(hashing.transform(words.tolist()).indices, dtype=np.int64)


def _itself(word: str) -> list[str]:
    return [word]


def _halves(hash_W: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    return hash_W % _SIZES[0], hash_W // _SIZES[0]


def _heavy(sketch: list[NDArray[np.int32]], hash_W: IntArray, labels: _Labels) -> NDArray[np.bool_]:
    lower_WK, upper_WK = (
        table[half] >= labels.least_K for table, half in zip(sketch, _halves(hash_W), strict=True)
    )
    heavy_W: NDArray[np.bool_] = (lower_WK & upper_WK).any(axis=1)
    return heavy_W


def _found(tasks: tuple[Task, ...], counts: _Counts, labels: _Labels) -> HeavyWords:
    words = sorted(
        word for word, count_K in counts.found.items() if (count_K >= labels.least_K).any()
    )
    whole_VK = np.array([counts.found[word] for word in words], dtype=np.int64)
    ends = np.cumsum([task.classes for task in tasks])[:-1]
    parts = np.split(whole_VK.reshape(len(words), len(labels.least_K)), ends, axis=1)
    named = {task.name: part for task, part in zip(tasks, parts, strict=True)}
    return HeavyWords(np.array(words, dtype=str), named)
