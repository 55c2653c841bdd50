"""A network and a data set come in; logits, probabilities and the measures of each task go out.

Shapes: N tickets, C classes of a task.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from service.contract.tasks import Task
from training.calibration.measures import Measures as Measures  # For those who call `measure`.
from training.calibration.measures import measures
from training.data.dataset import Dataset
from training.frozen import FrozenFeatures
from training.model.network import Network
from training.parallel import ALONE, Processes
from training.predictions import Predictions

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]


def predict(
    network: Network,
    dataset: Dataset,
    device: torch.device,
    on_progress: Callable[[int], None] = lambda _: None,
    processes: Processes = ALONE,
) -> dict[str, FloatArray]:
    """Raw logits (N, C) per task, float32, in the order of the data set; the network is left in
    evaluation mode. processes: each does its part of the batches, and all get all.
    """
    network.eval()
    logits = {
        task.name: np.zeros((len(dataset), task.classes), dtype=np.float32)
        for task in network.tasks
    }
    done = 0
    with torch.inference_mode():
        for number, positions in enumerate(dataset.by_length()):
            if processes.deals(number):
                batch = dataset.batch(positions).to(device)
                for name, logits_BC in network(batch.ids, batch.mask).items():
                    logits[name][positions] = logits_BC.float().cpu().numpy()
            done += len(positions)
            on_progress(done)
    return _together(logits, device, processes)


def _together(
    logits: dict[str, FloatArray], device: torch.device, processes: Processes
) -> dict[str, FloatArray]:
    """Every process holds zeros where another did the work."""
    if processes.count == 1:
        return logits
    whole = {task: torch.from_numpy(part).to(device) for task, part in logits.items()}
    processes.sum(list(whole.values()))
    return {task: one.cpu().numpy() for task, one in whole.items()}


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
    tasks, tickets = network.tasks, len(dataset)
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


def measure(
    task: Task, scores_NC: FloatArray, labels_N: IntArray, resamples: int = 1000
) -> Measures:
    """`calibration.measures.measures` of logits or log probabilities, whose softmax is taken here.

    labels_N: indices, or UNLABELLED. resamples: 0 leaves out what is dear.
    """
    probabilities_NC = softmax(np.asarray(scores_NC, dtype=np.float64), axis=1)
    return measures(task, probabilities_NC, labels_N, resamples)


def measure_all(
    tasks: tuple[Task, ...], scores: Mapping[str, FloatArray], dataset: Dataset
) -> dict[str, Measures]:
    """`measure` for every task, without what is dear: it is asked after every epoch."""
    return {
        task.name: measure(task, scores[task.name], dataset.labels(task.name), resamples=0)
        for task in tasks
    }


def macro_f1(tasks: tuple[Task, ...], found: Mapping[str, Measures]) -> float:
    """The mean macro-F1 over the primary tasks that have labelled tickets."""
    scores = [
        found[task.name]["macro_f1"]
        for task in tasks
        if task.role == "primary" and found[task.name]["n"] > 0
    ]
    return float(np.mean(scores)) if scores else 0.0
