"""Logits and labels of a split's tickets come in; what the model told of them goes out.

Shapes: N labelled tickets, C classes of a task.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.contract.bundle import Calibration
from service.contract.promises import Choice, Costs, Scope
from service.contract.tasks import Task
from service.statistics.choice import choose, confidences
from training.calibration.fit import probabilities
from training.calibration.judge import inside
from training.data.dataset import UNLABELLED
from training.predictions import Predictions

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Told:
    """The labels that were given (N,), how surely, and whether rightly.

    inside_N: in scope; an agent decides the others, however sure the model is.
    """

    chosen_N: IntArray
    confidence_N: FloatArray
    right_N: BoolArray
    inside_N: BoolArray


@dataclass(frozen=True)
class Outcome:
    """Of one task on one split: probabilities before and after calibration, the true labels, and
    which tickets are in scope.
    """

    task: Task
    before_NC: FloatArray
    after_NC: FloatArray
    labels_N: IntArray
    inside_N: BoolArray

    def __len__(self) -> int:
        """Labelled tickets."""
        return len(self.labels_N)

    def told(self, costs: Costs | None = None, choice: Choice = "probability") -> Told:
        """What is given for the calibrated probabilities."""
        return tell(self.after_NC, self.labels_N, self.inside_N, costs, choice)


def tell(
    probabilities_NC: FloatArray,
    labels_N: IntArray,
    inside_N: BoolArray,
    costs: Costs | None = None,
    choice: Choice = "probability",
) -> Told:
    """What is given for these probabilities, by the rule that the service follows."""
    chosen_N = choose(probabilities_NC, costs, choice)
    confidence_N = confidences(probabilities_NC, chosen_N)
    return Told(chosen_N, confidence_N, chosen_N == labels_N, inside_N)


def outcome(
    task: Task,
    calibration: Calibration,
    predictions: Mapping[str, Predictions],
    split: str,
    scope: Scope | None = None,
) -> Outcome | None:
    """None where the split's predictions were not kept, or none of its tickets has a label.

    scope: tells which tickets are in scope; None for all.
    """
    if split not in predictions or task.name not in predictions[split].labels:
        return None
    logits_NC, labels_N = predictions[split].labelled(task.name)
    if len(labels_N) == 0:
        return None
    before_NC = probabilities(logits_NC, _untouched(task.classes))
    after_NC = probabilities(logits_NC, calibration)
    return Outcome(
        task, before_NC, after_NC, labels_N, labelled_inside(predictions[split], task.name, scope)
    )


def labelled_inside(predictions: Predictions, task: str, scope: Scope | None) -> BoolArray:
    """Which of the tickets with a label of this task are in scope (N,)."""
    known = predictions.labels[task] != UNLABELLED
    if predictions.scope_N is None:
        return np.ones(int(known.sum()), dtype=bool)
    return inside(predictions.scope_N[known], scope)


def _untouched(classes: int) -> Calibration:
    return Calibration(method="none", scale=(1.0,) * classes, bias=(0.0,) * classes)
