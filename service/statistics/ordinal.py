"""True and given labels of an ordinal task come in; how far apart they are goes out.

Shapes: N tickets, C labels, the most urgent first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Alarm:
    """What became of the `n` tickets of the most urgent label; shares are None where n is 0.

    recall: share that was given it. far: share that was given a label too far below.
    """

    recall: float | None
    far: float | None
    n: int


def quadratic_kappa(truth_N: IntArray, predicted_N: IntArray, classes: int) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968, Psychological Bulletin 70).

    1 for full agreement; 0 for chance, and where it is undefined (no ticket, or one and the same
    label throughout). Raises ValueError for two lengths.
    """
    if len(truth_N) != len(predicted_N):
        raise ValueError(f"need equally many, found {len(truth_N)} and {len(predicted_N)}")
    step_C = np.arange(classes)
    weight_CC = (step_C[:, None] - step_C[None, :]) ** 2
    pair_N = np.asarray(truth_N) * classes + np.asarray(predicted_N)
    seen_CC = np.bincount(pair_N, minlength=classes**2).reshape(classes, classes)
    by_chance = float(seen_CC.sum(axis=1) @ weight_CC @ seen_CC.sum(axis=0))
    if by_chance == 0.0:
        return 0.0
    return 1.0 - float((weight_CC * seen_CC).sum()) * len(truth_N) / by_chance


def alarm(truth_N: IntArray, predicted_N: IntArray, level: int = 0, far: int = 2) -> Alarm:
    """Recall of the most urgent label, and the share given a label `far` or more steps away.

    level: the index of that label, P0 by default; far: 2 counts P2 and P3. Raises ValueError for
    two lengths.
    """
    if len(truth_N) != len(predicted_N):
        raise ValueError(f"need equally many, found {len(truth_N)} and {len(predicted_N)}")
    given_n = np.asarray(predicted_N)[np.asarray(truth_N) == level]
    if len(given_n) == 0:
        return Alarm(None, None, 0)
    steps_n = np.abs(given_n - level)
    return Alarm(float((steps_n == 0).mean()), float((steps_n >= far).mean()), len(given_n))
