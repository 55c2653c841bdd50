"""A task's calibrated probabilities and thresholds come in; label, confidence and decision go out.

Shapes: C classes.
"""

import numpy as np
from numpy.typing import NDArray

from service.api.schema import Alternative, Decision, Prediction
from service.contract.bundle import Threshold
from service.contract.tasks import Task

DEFAULT_TOP_K = 3
MAX_TOP_K = 100


def decide(
    task: Task,
    probabilities_C: NDArray[np.float32],
    threshold: Threshold | None,
    top_k: int = DEFAULT_TOP_K,
) -> Prediction:
    """What the reply says about one task.

    probabilities_C: (classes,), calibrated, in the order of the task's labels; of equal ones the
    first label wins. top_k: labels reported at most, the predicted one included. Confidences are
    rounded to six decimals before they meet the threshold, so that a decision can be checked from
    the reply alone.
    """
    ranked_K = np.argsort(-probabilities_C, kind="stable")[:top_k].tolist()
    best, *others = [
        Alternative(label=task.labels[index], confidence=round(float(probabilities_C[index]), 6))
        for index in ranked_K
    ]
    return Prediction(
        label=best.label,
        confidence=best.confidence,
        decision=decision(best.confidence, threshold),
        threshold=None if threshold is None else threshold.auto,
        alternatives=others,
    )


def decision(confidence: float, threshold: Threshold | None) -> Decision:
    """What a confidence allows; without a threshold, the bundle's promise, always `human`."""
    if threshold is None:
        return "human"
    if confidence >= threshold.auto:
        return "auto"
    return "suggest" if confidence >= threshold.suggest else "human"
