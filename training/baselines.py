"""Training and test tickets come in; what majority and a bag of words reach on them goes out."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from service.contract.tasks import Task
from training.data.dataset import UNLABELLED
from training.evaluate import Measures, measure

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]

FEW = 200
"""So few texts repeat few words: each word counts from its first text on."""

FLOOR = 1e-6
"""The probability of a label that the training split lacks."""


class Texts(Protocol):
    """Texts that are read one after another, more than once."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...


class BagOfWords:
    """TF-IDF over words and word pairs; fitted once on the training texts, used by every task."""

    def __init__(self, texts: Texts) -> None:
        self._vectorizer = _vectorizer(2 if len(texts) > FEW else 1)
        try:
            self._train = self._vectorizer.fit_transform(texts)
        except ValueError:  # No word stands in two texts.
            self._vectorizer = _vectorizer(1)
            self._train = self._vectorizer.fit_transform(texts)

    def scores(self, task: Task, labels_N: IntArray, texts: list[str]) -> FloatArray:
        """Log probabilities (M, C) of logistic regression for M texts. labels_N: of the training
        texts.
        """
        return self.fitted(task, labels_N)(texts)

    def fitted(self, task: Task, labels_N: IntArray) -> Callable[[list[str]], FloatArray]:
        """As `scores`, for one list of texts after another."""
        known = labels_N != UNLABELLED
        if len(np.unique(labels_N[known])) < 2:
            return lambda texts: majority_scores(task, labels_N, len(texts))
        model = LogisticRegression(C=10.0, max_iter=300, solver="lbfgs", tol=1e-3)
        model.fit(self._train[known], labels_N[known])

        def scores(texts: list[str]) -> FloatArray:
            scores_MC = np.full((len(texts), task.classes), np.log(FLOOR))
            scores_MC[:, model.classes_] = np.log(
                np.maximum(model.predict_proba(self._vectorizer.transform(texts)), FLOOR)
            )
            return scores_MC

        return scores


def _vectorizer(min_texts: int) -> TfidfVectorizer:
    return TfidfVectorizer(
        token_pattern=r"\w+|[^\w\s]+",
        ngram_range=(1, 2),
        min_df=min_texts,
        max_features=60_000,
        sublinear_tf=True,
    )


def majority_scores(task: Task, labels_N: IntArray, count: int) -> FloatArray:
    """Log shares (count, C) of the training labels: every ticket gets the most frequent one."""
    counts = np.bincount(labels_N[labels_N != UNLABELLED], minlength=task.classes).astype(float)
    shares = np.maximum(counts / max(counts.sum(), 1.0), FLOOR)
    return np.tile(np.log(shares), (count, 1))


def baselines(
    task: Task, bag: BagOfWords, train_N: IntArray, test_texts: list[str], test_M: IntArray
) -> dict[str, Measures]:
    """The measures of `majority` and `tfidf` on the test split of one task."""
    return {
        "majority": measure(task, majority_scores(task, train_N, len(test_texts)), test_M),
        "tfidf": measure(task, bag.scores(task, train_N, test_texts), test_M),
    }
