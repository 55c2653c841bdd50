"""Tickets whose labels may be wrong come in; a queue of those to be labelled again goes out.

Confident learning (Northcutt et al. 2021, arXiv:1911.00068) by cleanlab, on probabilities that a
model gave to tickets it had not seen. What it finds is where label and text disagree: wrong labels,
and tickets that two careful people would label differently.

Shapes: N tickets, C labels of a task, S labels that occur.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cleanlab.count import num_label_issues
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from scipy.special import softmax

from service.contract.tasks import Task
from training.audit.material import Material, gather
from training.baselines import BagOfWords
from training.calibration.fit import probabilities
from training.config import RunConfig
from training.data.dataset import UNLABELLED
from training.data.split import read_splits
from training.errors import DataError, TrainingError
from training.prepare import SPLIT_FILE

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]

FOLDS = 5
COLUMNS = ("id", "task", "given", "suggested", "quality", "probability")
HELD_OUT = ("calibration", "test")
"""The splits whose predictions a run keeps; it was not trained on either."""
FEWEST = 3
"""A label on fewer tickets cannot be learned from the rest of them: it is never in doubt."""


@dataclass(frozen=True)
class Doubt:
    """A ticket to be labelled again. quality: probability of the given label, low is bad.
    probability: of the suggested one.
    """

    id: str
    task: str
    given: str
    suggested: str
    quality: float
    probability: float


@dataclass(frozen=True)
class TaskDoubts:
    """Of one task: tickets looked at, and how many of their labels are estimated to be wrong."""

    task: str
    tickets: int
    wrong: int
    doubts: tuple[Doubt, ...]

    @property
    def share(self) -> float:
        """wrong / tickets; 0 without any."""
        return self.wrong / self.tickets if self.tickets else 0.0


def relabel_queue(
    data: Path, config: RunConfig, run: Path | None = None, folds: int = FOLDS, seed: int = 0
) -> list[TaskDoubts]:
    """The doubtful labels of each task, the worst first.

    run: a concluded run whose calibrated answers to its calibration and test splits are read; its
    tickets alone are judged. Without one, TF-IDF and logistic regression answer for every ticket,
    out of fold: near-duplicates stand in one fold, so that a wrong label is not learned from its
    own copy. folds: 2 or more. Raises TrainingError.
    """
    if run is not None:
        return _from_run(run, data, config)
    return doubts_of(gather(data, config), folds, seed)


def doubts_of(material: Material, folds: int = FOLDS, seed: int = 0) -> list[TaskDoubts]:
    """As `relabel_queue` without a run, from tickets that were read."""
    ids = [row.id for row in material.rows]
    found = out_of_fold(material, folds, seed)
    return [
        judge(task, ids, material.labels[task.name], found[task.name]) for task in material.tasks
    ]


def out_of_fold(material: Material, folds: int = FOLDS, seed: int = 0) -> dict[str, FloatArray]:
    """By task, probabilities (N, C) of every ticket from tickets of other folds."""
    texts = [row.text for row in material.rows]
    fold_N = _folds(material, folds, seed)
    found: dict[str, FloatArray] = {
        task.name: np.zeros((len(texts), task.classes)) for task in material.tasks
    }
    for fold in range(folds):
        inside, outside = np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
        if len(inside) == 0 or len(outside) == 0:
            raise DataError(f"{folds} folds need as many groups of tickets, found fewer")
        bag = BagOfWords([texts[place] for place in outside])
        asked = [texts[place] for place in inside]
        for task in material.tasks:
            # The baseline knows a missing label as UNLABELLED, the audit as -1.
            labels_N = material.labels[task.name][outside]
            scores = bag.scores(task, np.where(labels_N < 0, UNLABELLED, labels_N), asked)
            found[task.name][inside] = softmax(scores, axis=1)
    return found


def judge(
    task: Task, ids: Sequence[str], labels_N: IntArray, probabilities_NC: FloatArray
) -> TaskDoubts:
    """The doubtful labels of a task, the worst first; labels_N is below 0 where there is none."""
    counts = np.bincount(labels_N[labels_N >= 0], minlength=task.classes)
    kept = np.flatnonzero(counts >= FEWEST)
    places = np.flatnonzero(np.isin(labels_N, kept))
    if len(kept) < 2:
        return TaskDoubts(task.name, 0, 0, ())
    given_N = np.searchsorted(kept, labels_N[places])
    shares_NS = probabilities_NC[places][:, kept]
    shares_NS = shares_NS / shares_NS.sum(axis=1, keepdims=True)
    quality_N = get_label_quality_scores(given_N, shares_NS)
    doubtful_N = find_label_issues(given_N, shares_NS, n_jobs=1)
    doubts = [
        Doubt(
            ids[places[at]],
            task.name,
            task.labels[kept[given_N[at]]],
            task.labels[kept[int(shares_NS[at].argmax())]],
            float(quality_N[at]),
            float(shares_NS[at].max()),
        )
        for at in np.flatnonzero(doubtful_N)
    ]
    wrong = int(num_label_issues(given_N, shares_NS))
    return TaskDoubts(task.name, len(places), wrong, tuple(sorted(doubts, key=_worst_first)))


def write_queue(path: Path, found: Sequence[TaskDoubts]) -> int:
    """Writes `id,task,given,suggested,quality,probability`, the worst first, and no ticket's text;
    returns how many. Raises DataError where the file cannot be written.
    """
    doubts = sorted((doubt for one in found for doubt in one.doubts), key=_worst_first)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            for one in doubts:
                shares = (f"{one.quality:.4f}", f"{one.probability:.4f}")
                writer.writerow([one.id, one.task, one.given, one.suggested, *shares])
    except OSError as error:
        raise DataError(f"{path.name} cannot be written: {error.strerror}") from error
    return len(doubts)


def _from_run(run: Path, data: Path, config: RunConfig) -> list[TaskDoubts]:
    # Imported here: without a run, nothing of torch is needed.
    from training.checkpoint import load_facts
    from training.conclude import CHECKPOINT

    facts, predictions = load_facts(run / CHECKPOINT)
    if facts.data_fingerprint != f"sha256:{gather(data, config).fingerprint}":
        raise TrainingError(f"--run {run.name} was trained on other tickets than {data.name}")
    assignment = read_splits(run / SPLIT_FILE)
    ids, found = list[str](), []
    parts = [split for split in HELD_OUT if split in predictions]
    for split in parts:
        names = [name for name, place in assignment.items() if place == split]
        if len(names) != len(predictions[split]):
            raise TrainingError(
                f"{SPLIT_FILE} has {len(names)} tickets of {split}, "
                f"the checkpoint {len(predictions[split])}"
            )
        ids += names
    if not parts:
        raise TrainingError(f"{run.name} kept no predictions: it is of an older Harbor")
    for task in facts.tasks:
        calibration = facts.calibration[task.name]
        labels_N = np.concatenate([predictions[split].labels[task.name] for split in parts])
        shares = [
            probabilities(predictions[split].logits[task.name], calibration) for split in parts
        ]
        found.append(judge(task, ids, labels_N, np.concatenate(shares)))
    return found


def _folds(material: Material, folds: int, seed: int) -> IntArray:
    """A fold for each ticket; tickets of one near-duplicate group have the same."""
    groups = sorted(set(material.group_of.values()))
    order = np.random.default_rng([seed, 5]).permutation(len(groups))
    fold_of = {group: int(place) % folds for group, place in zip(groups, order, strict=True)}
    names = [material.group_of[row.id] for row in material.rows]
    return np.array([fold_of[name] for name in names], dtype=np.int64)


def _worst_first(doubt: Doubt) -> tuple[float, str, str]:
    return doubt.quality, doubt.task, doubt.id
