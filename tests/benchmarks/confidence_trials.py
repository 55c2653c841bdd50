"""A run's predictions come in, are dealt into halves again and again, and how promises and sets
that were made on one half hold on the other goes out.

Shapes: N tickets, C classes of a task, S resplits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from service.contract.promises import SetRule, Threshold
from service.contract.tasks import Task
from service.statistics.choice import choose, confidences
from service.statistics.conformal import SCORES
from tests.benchmarks.desk import SEED
from training.calibration.conformal import set_rules
from training.calibration.fit import probabilities
from training.calibration.promises import TaskPromise
from training.calibration.selection import select
from training.calibration.thresholds import threshold
from training.checkpoint import Facts, load, load_facts
from training.conclude import CHECKPOINT
from training.data.dataset import encode_rows
from training.data.sample import generate
from training.errors import PromiseRefused
from training.evaluate import predict
from training.predictions import Predictions

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
Answered = tuple[FloatArray, IntArray]
"""Probabilities (N, C) and labels (N,)."""

PROMISES = (
    TaskPromise(precision=0.9),
    TaskPromise(precision=0.95),
    TaskPromise(precision=0.97),
    TaskPromise(precision=0.9, per_label=True),
    TaskPromise(coverage=0.5),
)
COVERAGE = 0.9
LEVEL = 0.95
LEAST_FOR_LABEL = 100
"""Calibration tickets from which a label's own coverage is judged."""

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Held:
    """One task's tickets that nothing was trained on; the last `test` of them are the test split's.

    offset_C: undoes the class weights of the training.
    """

    run: str
    task: Task
    logits_NC: FloatArray
    labels_N: IntArray
    test: int
    offset_C: FloatArray


@dataclass(frozen=True)
class Judged:
    """One promise that was given, on the half that judges: `good` of `of` tickets.

    accepted: the share that is `auto`.
    """

    good: int
    of: int
    accepted: float


@dataclass(frozen=True)
class Covered:
    """One set rule on the half that judges: coverage by the marginal threshold, and by each label's
    own; coverage_C: of the labels with enough calibration tickets, NaN for the others; size: mean
    labels in a set.
    """

    marginal: float
    by_label: float
    coverage_C: FloatArray
    size: float


@dataclass
class Trials:
    """What came of many resplits: by promise, those that were given; by method, the sets."""

    times: int
    promises: dict[int, list[Judged]] = field(
        default_factory=lambda: {place: [] for place in range(len(PROMISES))}
    )
    sets: dict[str, list[Covered]] = field(default_factory=lambda: {name: [] for name in SCORES})


def read(run: Path) -> list[Held]:
    """Every task of a run."""
    facts, splits = load_facts(run / CHECKPOINT)
    return [_held(run.parent.name, task, facts, splits) for task in facts.tasks]


def fresh(run: Path, tickets: int) -> list[Held]:
    """Generated tickets that no run has seen, asked of a run's own network: one half in the place
    of the calibration split, the other in that of the test split.
    """
    checkpoint = load(run / CHECKPOINT)
    dataset = encode_rows(generate(tickets, SEED), checkpoint.tasks, checkpoint.tokenizer)
    logits = predict(checkpoint.network, dataset, torch.device("cpu"))
    labels = {task.name: dataset.labels(task.name) for task in checkpoint.tasks}
    everything, even_N = Predictions(logits, labels), np.arange(tickets) % 2 == 0
    splits = {"calibration": everything.at(even_N), "test": everything.at(~even_N)}
    return [_held("fresh desk", task, checkpoint.facts, splits) for task in checkpoint.tasks]


def _held(run: str, task: Task, facts: Facts, splits: Mapping[str, Predictions]) -> Held:
    first, second = (splits[name].labelled(task.name) for name in ("calibration", "test"))
    logits_NC, labels_N = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    offset_C = np.array(facts.offsets.get(task.name, [0.0] * task.classes))
    return Held(run, task, logits_NC, labels_N, len(second[1]), offset_C)


def trials(held: Held, times: int) -> Trials:
    """As a bundle is made: the calibration is chosen on one half, thresholds and sets come from its
    cross-fitted probabilities, and the whole is used on the other half.
    """
    found = Trials(times)
    random = np.random.default_rng(0)
    for _ in range(times):
        first_N, second_N = np.array_split(random.permutation(len(held.labels_N)), 2)
        chosen = select(held.logits_NC[first_N], held.labels_N[first_N], held.offset_C)
        shown = chosen.probabilities_NC, held.labels_N[first_N]
        judging_NC = probabilities(held.logits_NC[second_N], chosen.calibration)
        _try(held.task, shown, (judging_NC, held.labels_N[second_N]), found)
    return found


def _try(task: Task, shown: Answered, judging: Answered, found: Trials) -> None:
    for place, promise in enumerate(PROMISES):
        try:
            given = threshold(task, *shown, promise, LEVEL)
        except PromiseRefused:
            continue
        found.promises[place].append(_judge(task, promise, given, judging))
    try:
        rules = set_rules(task, *shown, COVERAGE)
    except PromiseRefused:  # A rare label stands in the other half alone.
        return
    enough_C = np.bincount(shown[1], minlength=task.classes) >= LEAST_FOR_LABEL
    for rule in rules:
        found.sets[rule.method].append(_cover(task, rule, judging, enough_C))


def _judge(task: Task, promise: TaskPromise, given: Threshold, judging: Answered) -> Judged:
    probabilities_NC, labels_N = judging
    chosen_N = choose(probabilities_NC, given.costs, given.choose)
    bars = [given.by_label.get(label, given.auto) for label in task.labels]
    bar_C = np.array([np.inf if bar is None else bar for bar in bars])
    accepted_N = confidences(probabilities_NC, chosen_N) >= bar_C[chosen_N]
    right_N = accepted_N & (chosen_N == labels_N)
    accepted, tickets = int(accepted_N.sum()), len(labels_N)
    if promise.coverage is not None:
        return Judged(accepted, tickets, accepted / tickets)
    return Judged(int(right_N.sum()), accepted, accepted / tickets)


def _cover(task: Task, rule: SetRule, judging: Answered, enough_C: NDArray[np.bool_]) -> Covered:
    probabilities_NC, labels_N = judging
    scores_NC = SCORES[rule.method](probabilities_NC)
    own = [rule.by_label.get(label) for label in task.labels]
    own_C = np.array([np.inf if limit is None else limit for limit in own])
    marginal = np.inf if rule.threshold is None else rule.threshold
    rows_N = np.arange(len(labels_N))
    score_N = scores_NC[rows_N, labels_N]
    within_N = score_N <= own_C[labels_N] + _ROUNDING
    coverage_C = np.full(task.classes, np.nan)
    for place in np.flatnonzero(enough_C):
        if (labels_N == place).any():
            coverage_C[place] = within_N[labels_N == place].mean()
    return Covered(
        float((score_N <= marginal + _ROUNDING).mean()),
        float(within_N.mean()),
        coverage_C,
        float((scores_NC <= marginal + _ROUNDING).sum(axis=1).mean()),
    )
