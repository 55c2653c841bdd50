"""A network and a data set come in; logits, probabilities and the measures of each task go out.

Shapes: N tickets, C classes of a task.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score, f1_score
from torch import nn

from service.contract.tasks import Task
from service.statistics.calibration import debiased_calibration_error, expected_calibration_error
from service.statistics.intervals import wilson
from service.statistics.ordinal import quadratic_kappa
from training.data.dataset import UNLABELLED, Dataset
from training.frozen import FrozenFeatures
from training.model.network import Network
from training.predictions import Predictions

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
Measures = dict[str, float]


def predict(
    network: Network,
    dataset: Dataset,
    device: torch.device,
    on_progress: Callable[[int], None] = lambda _: None,
) -> dict[str, FloatArray]:
    """Raw logits (N, C) per task, float32, in the order of the data set; the network is left in
    evaluation mode.
    """
    network.eval()
    logits = {
        task.name: np.zeros((len(dataset), task.classes), dtype=np.float32)
        for task in dataset.tasks
    }
    done = 0
    with torch.inference_mode():
        for positions in dataset.by_length():
            batch = dataset.batch(positions).to(device)
            for name, logits_BC in network(batch.ids, batch.mask).items():
                logits[name][positions] = logits_BC.float().cpu().numpy()
            done += len(positions)
            on_progress(done)
    return logits


def predict_all(
    network: Network,
    scope: nn.Module,
    dataset: Dataset,
    device: torch.device,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Predictions:
    """Raw logits and scope scores beside the labels, in one pass; the network is left in evaluation
    mode.

    scope: the trunk's features by task to scores (B,).
    """
    network.eval()
    scope = scope.to(device).eval()
    tasks, tickets = dataset.tasks, len(dataset)
    logits = {task.name: np.zeros((tickets, task.classes), dtype=np.float32) for task in tasks}
    scope_N = np.zeros(tickets, dtype=np.float32)
    done = 0
    with torch.inference_mode():
        for positions in dataset.by_length():
            batch = dataset.batch(positions).to(device)
            features = network.trunk(batch.ids, batch.mask)
            for name, logits_BC in network.answer(features).items():
                logits[name][positions] = logits_BC.float().cpu().numpy()
            scope_N[positions] = scope(features).float().cpu().numpy()
            done += len(positions)
            on_progress(done)
    return Predictions(logits, {task.name: dataset.labels(task.name) for task in tasks}, scope_N)


def predict_frozen(
    network: Network, frozen: FrozenFeatures, dataset: Dataset
) -> dict[str, FloatArray]:
    """As `predict`, from features that a frozen trunk gave."""
    network.eval()
    with torch.inference_mode():
        logits = network.answer(frozen.at(np.arange(len(dataset))))
    return {task: logits_NC.float().cpu().numpy() for task, logits_NC in logits.items()}


def measure(task: Task, scores_NC: FloatArray, labels_N: IntArray) -> Measures:
    """Accuracy with its Wilson interval, macro-F1, NLL, ECE (plug-in and debiased) and, of an
    ordinal task, QWK, over labelled tickets.

    scores_NC: logits or log probabilities; the softmax is taken here. labels_N: indices, or
    UNLABELLED. macro-F1 is the mean over the labels that occur among truth and predictions. An
    empty split
    has only `n`.
    """
    known = labels_N != UNLABELLED
    if not known.any():
        return {"n": 0.0}
    truth, scores = labels_N[known], np.asarray(scores_NC[known], dtype=np.float64)
    logs = log_softmax(scores, axis=1)
    predicted, confidence = logs.argmax(axis=1), np.exp(logs.max(axis=1))
    right = predicted == truth
    interval = wilson(int(right.sum()), len(truth))
    found = {
        "n": float(len(truth)),
        "accuracy": float(accuracy_score(truth, predicted)),
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0.0)),
        "nll": float(-logs[np.arange(len(truth)), truth].mean()),
        "ece": expected_calibration_error(confidence, right),
        "ece_debiased": debiased_calibration_error(confidence, right),
    }
    if task.kind == "ordinal":
        found["qwk"] = quadratic_kappa(truth, predicted, task.classes)
    return found


def measure_all(
    tasks: tuple[Task, ...], scores: Mapping[str, FloatArray], dataset: Dataset
) -> dict[str, Measures]:
    """`measure` for every task."""
    return {
        task.name: measure(task, scores[task.name], dataset.labels(task.name)) for task in tasks
    }


def macro_f1(tasks: tuple[Task, ...], measures: Mapping[str, Measures]) -> float:
    """The mean macro-F1 over the primary tasks that have labelled tickets."""
    found = [
        measures[task.name]["macro_f1"]
        for task in tasks
        if task.role == "primary" and measures[task.name]["n"] > 0
    ]
    return float(np.mean(found)) if found else 0.0
