"""Texts and labels come in; the words that give a label away go out.

Shapes: N tickets, V words, C labels of a task.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from service.contract.tasks import Task
from service.statistics.intervals import wilson
from training.audit.association import FloatArray, IntArray
from training.audit.finding import Finding, Severity, graded, percent
from training.audit.heavy import SHARE, heavy_words
from training.audit.tickets import Tickets
from training.data.table import normal_text

NAMES, WORDS = "label's name in the text", "word that decides a label"
CHARACTERS = 4_000
"""What is read of a text: about what a model of a thousand tokens reads."""
FEW = 20
"""A word, or a label, on fewer tickets shows nothing; and it would be shown in a report."""
PRECISE = 0.9
"""The part of the way from a label's share to 1 that a deciding word's precision must have gone, as
the lower end of its interval."""
_WORD_LIMITS: dict[Severity, float] = {"fail": 0.8, "warn": 0.5}
_NAME_LIMITS: dict[Severity, float] = {"fail": 0.8, "warn": 0.4}
_REMEDY = "find out whether the text was written, or amended, after the label was given; strip it"


@dataclass(frozen=True)
class Word:
    """precision: share of its tickets with the label. coverage: share of the label's tickets."""

    word: str
    label: str
    precision: float
    covered: int
    tickets: int

    @property
    def coverage(self) -> float:
        """covered / tickets."""
        return self.covered / self.tickets


class Vocabulary:
    """Which ticket has which word, mark or pair of them; read once, used for every task."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.words: NDArray[np.str_] = np.array([], dtype=str)
        self.present_NV = csr_matrix((len(texts), 0), dtype=np.int64)
        vectorizer = _vectorizer(FEW)
        if len(texts) >= FEW:
            try:
                self.present_NV = vectorizer.fit_transform(
                    text[:CHARACTERS] for text in texts
                ).astype(np.int64)
            except ValueError:  # No word stands in FEW texts.
                return
            self.words = vectorizer.get_feature_names_out()

    def counts(self, task: Task, labels_N: IntArray) -> IntArray:
        """Each label's tickets with each word, (V, C)."""
        known_N = labels_N >= 0
        told_NC = np.eye(task.classes, dtype=np.int64)[labels_N[known_N]]
        return np.asarray(self.present_NV[known_N].T @ told_NC)


def _vectorizer(least: int = 1) -> CountVectorizer:
    return CountVectorizer(
        token_pattern=r"\w+|[^\w\s]+", ngram_range=(1, 2), min_df=least, binary=True
    )


def check(material: Tickets) -> list[Finding]:
    """For each task: are its labels named in the texts, and does one word decide one of them."""
    named, (words, counts) = _named(material), _counted(material)
    found = []
    for task in material.tasks:
        word = deciding_word(words, counts[task.name], task, material.labels[task.name])
        found += [_names(task, named[task.name]), _words(material, task, word)]
    return found


def _counted(material: Tickets) -> tuple[NDArray[np.str_], dict[str, IntArray]]:
    """Words (V,), and each label's tickets with them (V, C) by task; on disk, heavy words alone."""
    if material.streamed:
        heavy = heavy_words(material, FEW, CHARACTERS, _vectorizer)
        return heavy.words, heavy.counts
    vocabulary = Vocabulary(list(material.texts()))
    tasks = material.tasks
    return vocabulary.words, {
        task.name: vocabulary.counts(task, material.labels[task.name]) for task in tasks
    }


def deciding_word(
    words: NDArray[np.str_], both_VC: IntArray, task: Task, labels_N: IntArray
) -> Word | None:
    """Of the words that nearly always mean one label, the one that covers most of its tickets."""
    label_C = np.bincount(labels_N[labels_N >= 0], minlength=task.classes)
    word_V = both_VC.sum(axis=1)
    share_C = label_C / max(int(label_C.sum()), 1)
    low_VC = _wilson_low(both_VC, word_V[:, None])
    precise_VC = low_VC - share_C >= PRECISE * (1.0 - share_C)
    enough_VC = (word_V[:, None] >= FEW) & (label_C >= FEW) & (share_C < 1.0)
    coverage_VC = np.where(precise_VC & enough_VC, both_VC / np.maximum(label_C, 1), 0.0)
    if coverage_VC.size == 0 or coverage_VC.max() == 0.0:
        return None
    word, label = np.unravel_index(int(coverage_VC.argmax()), coverage_VC.shape)
    covered, total = int(both_VC[word, label]), int(word_V[word])
    name = str(words[word])
    return Word(name, task.labels[label], covered / total, covered, int(label_C[label]))


def _words(material: Tickets, task: Task, found: Word | None) -> Finding:
    if found is None:
        where = f" in {percent(SHARE)} or more of a label's tickets" if material.streamed else ""
        said = f"no word{where} nearly decides a {task.name}"
        return Finding(WORDS, task.name, "pass", 0.0, said)
    interval = wilson(found.covered, found.tickets)
    severity = graded(found.coverage, _WORD_LIMITS)
    said = (
        f"{found.word!r} stands in {percent(found.coverage)} of the {found.tickets:,} tickets of "
        f"{found.label}, and {percent(found.precision)} of the tickets with it are {found.label}"
    )
    remedy = "" if severity == "pass" else _REMEDY
    low, high = interval.low, interval.high
    return Finding(WORDS, task.name, severity, found.coverage, said, remedy, low, high)


@dataclass
class _Named:
    """Of a task's labelled texts: how many there are, name one label, and name their own alone."""

    labels: list[str]
    texts: int = 0
    one: int = 0
    right: int = 0

    def add(self, text: str, label: int) -> None:
        """text: normal, between spaces. label: its place."""
        named = [place for place, name in enumerate(self.labels) if name in text]
        self.texts += 1
        if len(named) == 1:
            self.one += 1
            self.right += named[0] == label


def _named(material: Tickets) -> dict[str, _Named]:
    """By task, in one pass."""
    found = {
        task.name: _Named([f" {normal_text(label)} " for label in task.labels])
        for task in material.tasks
    }
    for place, text in enumerate(material.texts()):
        normal = f" {normal_text(text[:CHARACTERS])} "
        for task, named in found.items():
            label = int(material.labels[task][place])
            if label >= 0:
                named.add(normal, label)
    return found


def _names(task: Task, named: _Named) -> Finding:
    precision, interval = named.right / max(named.one, 1), wilson(named.right, named.texts)
    coverage = named.right / max(named.texts, 1)
    severity = graded(coverage if precision >= PRECISE else 0.0, _NAME_LIMITS)
    said = (
        f"{percent(coverage)} of {named.texts:,} texts name their own {task.name} and no other "
        f"one; a text that names one is of it in {percent(precision)}"
    )
    remedy = "" if severity == "pass" else _REMEDY
    low, high = interval.low, interval.high
    return Finding(NAMES, task.name, severity, coverage, said, remedy, low, high)


def _wilson_low(hits: IntArray, trials: IntArray) -> FloatArray:
    """The lower ends of 95 % Wilson intervals, by element; see `service.statistics.intervals`."""
    z, n = 1.959963984540054, np.maximum(trials, 1)
    share, weight = hits / n, z * z / n
    half = z * np.sqrt(share * (1.0 - share) / n + weight / (4.0 * n))
    return np.asarray((share + weight / 2.0 - half) / (1.0 + weight), dtype=np.float64)
