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
from training.audit.material import Material
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
        self.texts = [text[:CHARACTERS] for text in texts]
        self.words: NDArray[np.str_] = np.array([], dtype=str)
        self.present_NV = csr_matrix((len(texts), 0), dtype=np.int64)
        vectorizer = CountVectorizer(
            token_pattern=r"\w+|[^\w\s]+", ngram_range=(1, 2), min_df=FEW, binary=True
        )
        if len(self.texts) >= FEW:
            try:
                self.present_NV = vectorizer.fit_transform(self.texts).astype(np.int64)
            except ValueError:  # No word stands in FEW texts.
                return
            self.words = vectorizer.get_feature_names_out()


def check(material: Material) -> list[Finding]:
    """For each task: are its labels named in the texts, and does one word decide one of them."""
    vocabulary = Vocabulary([row.text for row in material.rows])
    return [
        finding
        for task in material.tasks
        for finding in (
            _names(material, vocabulary, task),
            _words(vocabulary, task, material.labels[task.name]),
        )
    ]


def deciding_word(vocabulary: Vocabulary, task: Task, labels_N: IntArray) -> Word | None:
    """Of the words that nearly always mean one label, the one that covers most of its tickets."""
    known_N = labels_N >= 0
    present_NV = vocabulary.present_NV[known_N]
    told_NC = np.eye(task.classes, dtype=np.int64)[labels_N[known_N]]
    both_VC = np.asarray(present_NV.T @ told_NC)
    word_V, label_C = np.asarray(present_NV.sum(axis=0)).reshape(-1), told_NC.sum(axis=0)
    share_C = label_C / max(int(label_C.sum()), 1)
    low_VC = _wilson_low(both_VC, word_V[:, None])
    precise_VC = low_VC - share_C >= PRECISE * (1.0 - share_C)
    enough_VC = (word_V[:, None] >= FEW) & (label_C >= FEW) & (share_C < 1.0)
    coverage_VC = np.where(precise_VC & enough_VC, both_VC / np.maximum(label_C, 1), 0.0)
    if coverage_VC.size == 0 or coverage_VC.max() == 0.0:
        return None
    word, label = np.unravel_index(int(coverage_VC.argmax()), coverage_VC.shape)
    covered, total = int(both_VC[word, label]), int(word_V[word])
    name = str(vocabulary.words[word])
    return Word(name, task.labels[label], covered / total, covered, int(label_C[label]))


def _words(vocabulary: Vocabulary, task: Task, labels_N: IntArray) -> Finding:
    found = deciding_word(vocabulary, task, labels_N)
    if found is None:
        return Finding(WORDS, task.name, "pass", 0.0, f"no word nearly decides a {task.name}")
    interval = wilson(found.covered, found.tickets)
    severity = graded(found.coverage, _WORD_LIMITS)
    said = (
        f"{found.word!r} stands in {percent(found.coverage)} of the {found.tickets:,} tickets of "
        f"{found.label}, and {percent(found.precision)} of the tickets with it are {found.label}"
    )
    remedy = "" if severity == "pass" else _REMEDY
    low, high = interval.low, interval.high
    return Finding(WORDS, task.name, severity, found.coverage, said, remedy, low, high)


def _names(material: Material, vocabulary: Vocabulary, task: Task) -> Finding:
    labels_N = material.labels[task.name]
    texts = [
        f" {normal_text(text)} "
        for text, label in zip(vocabulary.texts, labels_N.tolist(), strict=True)
        if label >= 0
    ]
    named_NC = np.array(
        [[f" {normal_text(label)} " in text for label in task.labels] for text in texts], dtype=bool
    ).reshape(len(texts), task.classes)
    one_N = named_NC.sum(axis=1) == 1
    right = int((named_NC[one_N].argmax(axis=1) == labels_N[labels_N >= 0][one_N]).sum())
    precision, interval = right / max(int(one_N.sum()), 1), wilson(right, len(texts))
    coverage = right / max(len(texts), 1)
    severity = graded(coverage if precision >= PRECISE else 0.0, _NAME_LIMITS)
    said = (
        f"{percent(coverage)} of {len(texts):,} texts name their own {task.name} and no other one; "
        f"a text that names one is of it in {percent(precision)}"
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
