"""A task's calibrated probabilities and its labels come in; the rules of its conformal sets go out.

Shapes: N labelled tickets, C labels.
"""

import numpy as np

from service.contract.promises import SetRule
from service.contract.tasks import Task
from service.statistics.conformal import SCORES, conformal_quantile
from training.calibration.fit import FloatArray, IntArray
from training.calibration.refusals import check_labels


def set_rules(
    task: Task, probabilities_NC: FloatArray, labels_N: IntArray, coverage: float
) -> tuple[SetRule, ...]:
    """For each score (LAC, APS) the threshold that holds the final label of `coverage` of the
    tickets, and one a label that does so for the tickets of that label (Vovk 2012).

    probabilities_NC: of tickets that they were not fitted to. labels_N: indices, all labelled.
    Raises PromiseRefused where a label has no ticket.
    """
    check_labels(task, labels_N)
    rules = []
    for method, score in SCORES.items():
        true_N = score(probabilities_NC)[np.arange(len(labels_N)), labels_N]
        by_label = {
            label: conformal_quantile(true_N[labels_N == index], coverage)
            for index, label in enumerate(task.labels)
        }
        rules.append(
            SetRule(
                method=method,
                coverage=coverage,
                threshold=conformal_quantile(true_N, coverage),
                by_label=by_label,
                tickets=len(labels_N),
            )
        )
    return tuple(rules)
