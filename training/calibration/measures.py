"""A task's calibrated probabilities and labels come in; the measures that every report gives go
out.

Shapes: N tickets, C labels.
"""

import numpy as np

from service.contract.tasks import Task
from service.statistics.calibration import (
    calibration_interval,
    classwise_calibration_error,
    consistency_p,
    debiased_calibration_error,
    expected_calibration_error,
)
from service.statistics.intervals import wilson
from service.statistics.macro_f1 import resampled_scores
from service.statistics.ordinal import alarm, quadratic_kappa
from service.statistics.scores import brier, negative_log_likelihood
from service.statistics.selective import accuracy_at, aurc
from training.calibration.evidence import BoolArray
from training.calibration.fit import FloatArray, IntArray

Measures = dict[str, float]
COVERAGES = (80, 90, 95)
"""In per cent."""


def measures(
    task: Task, probabilities_NC: FloatArray, labels_N: IntArray, resamples: int = 1000
) -> Measures:
    """How good, how calibrated and how selective the probabilities are, over labelled tickets.

    labels_N: indices, below 0 where there is none. Confidence is the largest probability.
    accuracy_low and _high: 95 % Wilson interval. macro_f1: mean over the labels that occur among
    truth and predictions; _low, _high: 95 % bootstrap interval, tickets drawn with replacement.
    ece_low, _high: 95 % interval of ece_debiased. ece_p: that the confidences are calibrated, see
    `consistency_p`. Of an ordinal task also QWK and what became of the first label's tickets
    (`alarm_`). Without a labelled ticket only `n`.

    resamples: for the intervals of macro_f1 and ece, and ece_p, which are left out where it is 0:
    they cost more than all the others together.
    """
    known_N = labels_N >= 0
    if not known_N.any():
        return {"n": 0.0}
    truth_N = labels_N[known_N]
    probabilities_NC = np.asarray(probabilities_NC[known_N], dtype=np.float64)
    given_N = probabilities_NC.argmax(axis=1)
    right_N = given_N == truth_N
    interval = wilson(int(right_N.sum()), len(truth_N))
    return {
        "n": float(len(truth_N)),
        "accuracy": float(right_N.mean()),
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        "macro_f1": macro_f1(truth_N, given_N),
        **_macro_f1_interval(truth_N, given_N, task.classes, resamples),
        "nll": negative_log_likelihood(probabilities_NC, truth_N),
        "brier": brier(probabilities_NC, truth_N),
        **_calibration(probabilities_NC.max(axis=1), right_N, resamples),
        "ece_classwise": classwise_calibration_error(probabilities_NC, truth_N),
        **_selective(probabilities_NC.max(axis=1), right_N),
        **(_ordinal(truth_N, given_N, task.classes) if task.kind == "ordinal" else {}),
    }


def macro_f1(truth_N: IntArray, given_N: IntArray) -> float:
    """The mean F1 over the labels that occur in either; at least one ticket."""
    labels = np.union1d(truth_N, given_N)
    size = int(labels.max()) + 1
    hits_C = np.bincount(truth_N[truth_N == given_N], minlength=size)
    named_C = np.bincount(truth_N, minlength=size) + np.bincount(given_N, minlength=size)
    return float((2.0 * hits_C[labels] / named_C[labels]).mean())


def _macro_f1_interval(
    truth_N: IntArray, given_N: IntArray, classes: int, resamples: int
) -> Measures:
    if resamples == 0:
        return {}
    drawn_R = resampled_scores(truth_N, given_N[None], classes, resamples).macro_f1_RM[:, 0]
    low, high = np.quantile(drawn_R, [0.025, 0.975])
    return {"macro_f1_low": float(low), "macro_f1_high": float(high)}


def _calibration(confidence_N: FloatArray, right_N: BoolArray, resamples: int) -> Measures:
    found = {
        "ece": expected_calibration_error(confidence_N, right_N),
        "ece_debiased": debiased_calibration_error(confidence_N, right_N),
    }
    if resamples == 0:
        return found
    p = consistency_p(confidence_N, right_N, resamples=resamples)
    interval = calibration_interval(confidence_N, right_N, resamples=resamples, p=p)
    return {**found, "ece_low": interval.low, "ece_high": interval.high, "ece_p": p}


def _selective(confidence_N: FloatArray, right_N: BoolArray) -> Measures:
    at = {f"accuracy_at_{c}": accuracy_at(confidence_N, right_N, c / 100) for c in COVERAGES}
    return {"aurc": aurc(confidence_N, right_N), **at}


def _ordinal(truth_N: IntArray, given_N: IntArray, classes: int) -> Measures:
    """The shares of the first label's tickets are left out where it has none."""
    first = alarm(truth_N, given_N)
    shares = {"alarm_recall": first.recall, "alarm_far": first.far}
    return {
        "qwk": quadratic_kappa(truth_N, given_N, classes),
        **{name: value for name, value in shares.items() if value is not None},
        "alarm_n": float(first.n),
    }
