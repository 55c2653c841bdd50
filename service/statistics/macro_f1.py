"""Labels and several models' answers come in; each model's macro-F1 and accuracy, on the tickets
and on resamples of them, go out.

Shapes: N tickets, M models, C labels, R resamples, K kinds of ticket.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ENTRIES = 4_000_000
"""So many counts of the resamples are held at once: 32 MB."""
_MANY_LABELS = 64


@dataclass(frozen=True)
class Scores:
    """macro_f1_RM and accuracy_RM: a row a resample, a column a model."""

    macro_f1_RM: FloatArray
    accuracy_RM: FloatArray


def scores(truth_N: IntArray, given_MN: IntArray, classes: int) -> Scores:
    """Of the tickets as they are: one row. Raises ValueError.

    Macro-F1 is the mean F1 over the labels that occur among the truth or a model's own answers.
    """
    kinds_K, counts_K = _kinds(truth_N, given_MN, classes)
    return _scores(kinds_K, counts_K[None].astype(np.float64), classes)


def resampled_scores(
    truth_N: IntArray, given_MN: IntArray, classes: int, resamples: int = 2000, seed: int = 0
) -> Scores:
    """Of tickets drawn again with replacement, the same ones for every model (the paired bootstrap:
    Efron & Tibshirani 1993, ch. 16).

    truth_N, given_MN: indices within `classes`. Tickets of one truth and the same answers are one
    kind, and the kinds' counts are drawn from their multinomial, which is the same bootstrap at a
    fraction of the cost. Raises ValueError.
    """
    kinds_K, counts_K = _kinds(truth_N, given_MN, classes)
    chance, total = np.random.default_rng(seed), int(counts_K.sum())
    step = max(1, _ENTRIES // len(counts_K))
    parts = []
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        drawn_RK = chance.multinomial(total, counts_K / total, size=rows)
        parts.append(_scores(kinds_K, drawn_RK.astype(np.float64), classes))
    return Scores(
        np.concatenate([part.macro_f1_RM for part in parts]),
        np.concatenate([part.accuracy_RM for part in parts]),
    )


def _kinds(truth_N: IntArray, given_MN: IntArray, classes: int) -> tuple[IntArray, IntArray]:
    """Each kind of ticket, (1 + M, K): the truth and every model's answer; and how many, (K,)."""
    if len(truth_N) == 0 or given_MN.ndim != 2 or given_MN.shape[1] != len(truth_N):
        raise ValueError(
            f"need an answer of each model to each ticket, found answers of shape "
            f"{given_MN.shape} to {len(truth_N)} tickets"
        )
    both = np.vstack([truth_N, given_MN]).astype(np.int64)
    if both.min() < 0 or both.max() >= classes:
        raise ValueError(f"labels must lie within 0 and {classes - 1}")
    kinds, counts_K = np.unique(both, axis=1, return_counts=True)
    return kinds, counts_K


def _scores(kinds: IntArray, weights_RK: FloatArray, classes: int) -> Scores:
    truth_K, truth_RC = kinds[0], weights_RK @ _one_hot(kinds[0], classes)
    columns = [_model_scores(truth_K, truth_RC, given_K, weights_RK) for given_K in kinds[1:]]
    return Scores(
        np.stack([macro_f1_R for macro_f1_R, _ in columns], axis=1),
        np.stack([accuracy_R for _, accuracy_R in columns], axis=1),
    )


def _model_scores(
    truth_K: IntArray, truth_RC: FloatArray, given_K: IntArray, weights_RK: FloatArray
) -> tuple[FloatArray, FloatArray]:
    classes = truth_RC.shape[1]
    right_K = (truth_K == given_K).astype(np.float64)
    hits_RC = weights_RK @ _one_hot(truth_K, classes, right_K)
    named_RC = truth_RC + weights_RK @ _one_hot(given_K, classes)
    f1_RC = 2.0 * hits_RC / np.maximum(named_RC, 1.0)
    accuracy_R = hits_RC.sum(axis=1) / weights_RK.sum(axis=1)
    return f1_RC.sum(axis=1) / (named_RC > 0).sum(axis=1), accuracy_R


def _one_hot(
    labels_K: IntArray, classes: int, value_K: FloatArray | None = None
) -> FloatArray | csr_array:
    """(K, C), sparse where labels are many: the product with a dense one is faster while it is
    small.
    """
    rows = np.arange(len(labels_K))
    values_K = np.ones(len(labels_K)) if value_K is None else value_K
    if classes > _MANY_LABELS:
        return csr_array((values_K, (rows, labels_K)), shape=(len(labels_K), classes))
    dense_KC = np.zeros((len(labels_K), classes))
    dense_KC[rows, labels_K] = values_K
    return dense_KC
