"""Tickets whose labels may be wrong come in; a queue of those to be labelled again goes out.

Confident learning (Northcutt et al. 2021, arXiv:1911.00068) by cleanlab, on probabilities that a
model gave to tickets it had not seen. What it finds is where label and text disagree: wrong labels,
and tickets that two careful people would label differently.

Shapes: N tickets, C labels of a task, S labels that occur.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cleanlab.count import num_label_issues
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from scipy.special import softmax

from service.contract.tasks import Task
from training.audit.material import gather
from training.audit.tickets import Texts, Tickets, affordable, batches
from training.baselines import BagOfWords
from training.calibration.fit import probabilities
from training.config import RunConfig
from training.data.dataset import UNLABELLED
from training.data.split import each_split
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

MOST_LEARNED = 50_000
"""Tickets that a fold's model learns from where they are streamed, as in `baselines`; fewer where
they have more than MOST_CHARACTERS.
"""
MOST_CHARACTERS = 1 << 25
LEAST_LEARNED = 20
"""Of every label, however rare: what a model never saw would always be in doubt."""
MOST_CELLS = 1 << 24
"""Probabilities that are judged together where tickets are streamed."""
LEAST_JUDGED = 20
"""Of every label, in each part that has one of them, where there are so many."""


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
    """Of one task: tickets looked at, and how many of their labels are estimated to be wrong.

    sample: how many tickets each fold's model learned from at most, where it was not from all of
    the other folds; else 0.
    """

    task: str
    tickets: int
    wrong: int
    doubts: tuple[Doubt, ...]
    sample: int = 0

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
    own copy. Where tickets are streamed, every one is judged still, and a fold's model learns from
    MOST_LEARNED of the others at most. folds: 2 or more. Raises TrainingError.
    """
    with gather(data, config) as material:
        if run is not None:
            return _from_run(run, data.name, material)
        return doubts_of(material, folds, seed)


def doubts_of(material: Tickets, folds: int = FOLDS, seed: int = 0) -> list[TaskDoubts]:
    """As `relabel_queue` without a run, from tickets that were read."""
    found, sample = _out_of_fold(material, folds, seed)
    return [
        replace(_judge_all(material, task, found[task.name]), sample=sample)
        for task in material.tasks
    ]


def out_of_fold(material: Tickets, folds: int = FOLDS, seed: int = 0) -> dict[str, FloatArray]:
    """By task, probabilities (N, C) of every ticket from tickets of other folds."""
    return _out_of_fold(material, folds, seed)[0]


def _out_of_fold(material: Tickets, folds: int, seed: int) -> tuple[dict[str, FloatArray], int]:
    """The probabilities, and TaskDoubts.sample."""
    fold_N = _folds(material, folds, seed)
    found = {
        task.name: material.scratch(f"{place}", (len(material), task.classes))
        for place, task in enumerate(material.tasks)
    }
    sample = 0
    for fold in range(folds):
        inside, outside = np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
        if len(inside) == 0 or len(outside) == 0:
            raise DataError(f"{folds} folds need as many groups of tickets, found fewer")
        learned = _learned(material, outside)
        sample = max(sample, len(learned)) if len(learned) < len(outside) else sample
        models = _models(material, learned)
        start = 0
        for asked in batches(Texts(material, inside)):
            places = inside[start : start + len(asked)]
            for task, model in models.items():
                found[task][places] = softmax(model(asked), axis=1)
            start += len(asked)
    return found, sample


def _models(material: Tickets, learned: IntArray) -> dict[str, Callable[[list[str]], FloatArray]]:
    """By task, what gives log probabilities for texts, from tickets at ascending places."""
    bag = BagOfWords(Texts(material, learned))
    models = {}
    for task in material.tasks:
        # The baseline knows a missing label as UNLABELLED, the audit as -1.
        labels_N = material.labels[task.name][learned]
        models[task.name] = bag.fitted(task, np.where(labels_N < 0, UNLABELLED, labels_N))
    return models


def _learned(material: Tickets, outside: IntArray) -> IntArray:
    """The tickets that a fold's model learns from: all, or as many as memory is to hold, spread
    evenly, and LEAST_LEARNED of every label that has so many.
    """
    most = (
        affordable(material, MOST_LEARNED, MOST_CHARACTERS) if material.streamed else len(outside)
    )
    if len(outside) <= most:
        return outside
    chosen = [_spread(outside, most)]
    for task in material.tasks:
        labels_M = material.labels[task.name][outside]
        chosen += [
            _spread(outside[labels_M == label], LEAST_LEARNED) for label in range(task.classes)
        ]
    return np.unique(np.concatenate(chosen))


def _spread(places: IntArray, most: int) -> IntArray:
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).astype(np.int64)]


def _judge_all(material: Tickets, task: Task, probabilities_NC: FloatArray) -> TaskDoubts:
    """Every ticket; on disk in parts of about MOST_CELLS numbers, each spread over the file."""
    count, labels_N = len(material), material.labels[task.name]
    parts = -(-count * task.classes // MOST_CELLS) if material.streamed else 1
    part_N = _parts(labels_N, parts)
    judged = [
        judge(task, material.ids, labels_N, probabilities_NC, np.flatnonzero(part_N == part))
        for part in range(parts)
    ]
    doubts = sorted((doubt for one in judged for doubt in one.doubts), key=_worst_first)
    tickets, wrong = sum(one.tickets for one in judged), sum(one.wrong for one in judged)
    return TaskDoubts(task.name, tickets, wrong, tuple(doubts))


def _parts(labels_N: IntArray, parts: int) -> IntArray:
    """A part for each ticket: those of a label are spread evenly, of a rare one they stay together,
    for a few of them would show nothing.
    """
    counts = np.bincount(labels_N[labels_N >= 0], minlength=1)
    rare_N = (labels_N >= 0) & (counts[labels_N] < parts * LEAST_JUDGED)
    return np.where(rare_N, labels_N, np.arange(len(labels_N))) % parts


def judge(
    task: Task,
    ids: Sequence[str],
    labels_N: IntArray,
    probabilities_NC: FloatArray,
    among: IntArray | None = None,
) -> TaskDoubts:
    """The doubtful labels of a task, the worst first; labels_N is below 0 where there is none.

    among: the places of the tickets to be judged, beside each other alone; else all.
    """
    among = np.arange(len(labels_N)) if among is None else among
    known = labels_N[among]
    counts = np.bincount(known[known >= 0], minlength=task.classes)
    kept = np.flatnonzero(counts >= FEWEST)
    places = among[np.isin(known, kept)]
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


def _from_run(run: Path, data: str, material: Tickets) -> list[TaskDoubts]:
    # Imported here: without a run, nothing of torch is needed.
    from training.checkpoint import load_facts
    from training.conclude import CHECKPOINT

    facts, predictions = load_facts(run / CHECKPOINT)
    if facts.data_fingerprint != f"sha256:{material.fingerprint}":
        raise TrainingError(f"--run {run.name} was trained on other tickets than {data}")
    names_of: dict[str, list[str]] = {split: [] for split in HELD_OUT}
    for name, split in each_split(run / SPLIT_FILE):
        if split in names_of:
            names_of[split].append(name)
    ids, found = list[str](), []
    parts = [split for split in HELD_OUT if split in predictions]
    for split in parts:
        names = names_of[split]
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


def _folds(material: Tickets, folds: int, seed: int) -> IntArray:
    """A fold for each ticket; tickets of one near-duplicate group have the same."""
    order = np.random.default_rng([seed, 5]).permutation(material.groups)
    found: IntArray = order[material.group_N] % folds
    return found


def _worst_first(doubt: Doubt) -> tuple[float, str, str]:
    return doubt.quality, doubt.task, doubt.id
