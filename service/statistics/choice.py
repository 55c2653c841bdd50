"""Probabilities, and what wrong labels cost, come in; the label to give and its confidence go out.

Shapes: N tickets, C labels.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.contract.promises import Choice, Costs

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

DECIMALS = 6


def expected_costs(probabilities_NC: FloatArray, matrix_CC: ArrayLike) -> FloatArray:
    """What giving each label would cost on average: (N, C), sum over i of p_i * matrix[i][j].

    matrix_CC: `matrix[true][given]` (Elkan 2001, IJCAI). Raises ValueError for another shape.
    """
    matrix = np.asarray(matrix_CC, dtype=np.float64)
    classes = probabilities_NC.shape[1]
    if matrix.shape != (classes, classes):
        raise ValueError(f"costs must have the shape {(classes, classes)}, found {matrix.shape}")
    return np.asarray(probabilities_NC, dtype=np.float64) @ matrix


def choose(probabilities_NC: FloatArray, costs: Costs | None, choice: Choice) -> IntArray:
    """The label to give, (N,): the most probable, or the one of least expected cost.

    Of equally probable ones the first; of equally dear ones (to nine digits) the most probable.
    Raises ValueError where `costs` are needed and missing.
    """
    if choice == "probability":
        return np.asarray(np.argmax(probabilities_NC, axis=1))
    if costs is None:
        raise ValueError("a choice by expected cost needs the costs")
    costs_NC = expected_costs(probabilities_NC, costs.matrix)
    least_N1 = costs_NC.min(axis=1, keepdims=True)
    # The last bit of a sum depends on how many tickets stand in the batch; the label must not.
    cheapest_NC = costs_NC <= least_N1 * (1.0 + 1e-9) + 1e-12
    return np.asarray(np.argmax(np.where(cheapest_NC, probabilities_NC, -1.0), axis=1))


def confidences(probabilities_NC: FloatArray, chosen_N: IntArray) -> FloatArray:
    """The probability of each ticket's label, (N,), to six decimals, as the reply has it and as it
    is compared with a threshold.
    """
    of_chosen_N = np.asarray(probabilities_NC)[np.arange(len(chosen_N)), chosen_N]
    return np.round(of_chosen_N.astype(np.float64), DECIMALS)
