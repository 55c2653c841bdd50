"""Finished runs without any training: logits are simulated, labels are drawn from them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from service.contract.bundle import Calibration, bundle_digest, seal
from service.contract.tasks import Task
from training.calibration.fit import probabilities
from training.calibration.measures import measures
from training.checkpoint import FACTS, PREDICTIONS, Facts
from training.conclude import CHECKPOINT
from training.config import RunConfig, dump_config
from training.data.dataset import UNLABELLED
from training.predictions import Predictions, save_predictions
from training.report.finished import Finished
from training.report.page import render
from training.run import CONFIG, EVENTS

QUEUE = Task(name="queue", labels=("payments", "web", "mobile", "success"))
URGENCY = Task(name="urgency", labels=("P0", "P1", "P2", "P3"), kind="ordinal")
DIGEST = "sha256:" + "0123456789abcdef" * 4


def draw_labels(logits_NC: NDArray[np.floating], seed: int) -> NDArray[np.int64]:
    """One label a ticket, drawn from the softmax of its logits."""
    chance = np.random.default_rng(seed)
    return np.array([chance.choice(len(p), p=p) for p in softmax(logits_NC, axis=1)])


def split(tasks: Sequence[Task], tickets: int, seed: int, hot: float = 1.6) -> Predictions:
    """Logits `hot` times too large, so that a temperature of `hot` is right; one ticket in ten
    has no label.
    """
    chance = np.random.default_rng(seed)
    logits, labels = {}, {}
    for number, task in enumerate(tasks):
        true_NC = chance.normal(0.0, 4.0, (tickets, task.classes))
        drawn_N = draw_labels(true_NC, seed + number)
        logits[task.name] = (hot * true_NC).astype(np.float32)
        labels[task.name] = np.where(chance.random(tickets) < 0.1, UNLABELLED, drawn_N)
    return Predictions(logits, labels)


def scoped(run: Finished, seed: int = 5) -> Finished:
    """The run with scope scores that have nothing to do with what is right."""
    chance = np.random.default_rng(seed)
    predictions = {
        name: replace(one, scope_N=chance.gamma(4.0, 2.0, len(one)).astype(np.float32))
        for name, one in run.predictions.items()
    }
    facts = run.facts.model_copy(update={"scope_method": "mahalanobis"})
    return replace(run, facts=facts, predictions=predictions)


def simulated(*tasks: Task, tickets: int = 600) -> Finished:
    """A run that kept its predictions, with a temperature that fits."""
    return finished(tasks, {name: split(tasks, tickets, at) for at, name in enumerate(SPLITS)})


SPLITS = ("calibration", "test")


def finished(tasks: Sequence[Task], predictions: dict[str, Predictions]) -> Finished:
    """The run of such predictions, with its measures beside two baselines."""
    calibration = {
        task.name: Calibration(
            method="temperature",
            scale=(1.0 / 1.6,) * task.classes,
            bias=(0.0,) * task.classes,
        )
        for task in tasks
    }
    rows = {
        task.name: _rows(task, calibration[task.name], predictions.get("test")) for task in tasks
    }
    facts = Facts(
        tasks=tuple(tasks),
        encoder="tiny",
        encoder_config={},
        width=8,
        calibration=calibration,
        quality={name: one["test"] for name, one in rows.items()},
        metrics={"tasks": rows, "tickets": {"train": 4000, "test": 600}},
        data_fingerprint="sha256:" + "a" * 64,
        code_fingerprint="sha256:" + "b" * 64,
    )
    return Finished(DIGEST, facts, predictions, events(tasks))


def _rows(
    task: Task, calibration: Calibration, test: Predictions | None
) -> dict[str, dict[str, float]]:
    if test is None:
        return {"test": {"n": 0.0}}
    logits_NC, labels_N = test.labelled(task.name)
    baseline = {"n": 540.0, "accuracy": 0.3, "accuracy_low": 0.26, "accuracy_high": 0.34}
    return {
        "test": measures(task, probabilities(logits_NC, calibration), labels_N),
        "majority": {
            **baseline,
            "macro_f1": 0.1,
            "macro_f1_low": 0.08,
            "macro_f1_high": 0.12,
        },
        "tfidf": {**baseline, "accuracy": 0.5, "accuracy_low": 0.46, "accuracy_high": 0.54},
    }


def events(tasks: Sequence[Task], epochs: int = 3, steps: int = 4) -> tuple[dict[str, Any], ...]:
    """The record of a run whose loss falls and whose macro-F1 rises."""
    told: list[dict[str, Any]] = [{"event": "start", "steps_per_epoch": steps}]
    for epoch in range(epochs):
        for step in range(epoch * steps, (epoch + 1) * steps):
            losses = {task.name: 2.0 / (1 + step) for task in tasks}
            told.append({"event": "step", "step": step, "losses": losses})
        found = {task.name: {"nll": 1.0 / (1 + epoch), "macro_f1": 0.2 * epoch} for task in tasks}
        last = (epoch + 1) * steps - 1
        told.append(
            {"event": "epoch", "step": last, "epoch": epoch, "validation": found, "best": epoch < 2}
        )
    return tuple(told)


PULLS = {"queue|urgency": 0.25, "queue|product": -0.3, "urgency|product": 0.02}
"""Pairs of tasks and the mean cosine of their gradients."""


def together(epochs: int = 3, steps: int = 200, every: int = 10) -> tuple[dict[str, Any], ...]:
    """What the record of a run of three tasks tells of learning them at once."""
    chance = np.random.default_rng(8)
    names = ("queue", "urgency", "product")
    told: list[dict[str, Any]] = [
        {"event": "start", "steps_per_epoch": steps},
        {
            "event": "sampling",
            "step": 0,
            "steps": 100,
            "stated": {"queue": 0.4, "urgency": 0.3, "product": 0.3},
            "drawn": {"queue": 0.401, "urgency": 0.299, "product": 0.2},
            "labelled": {"queue": 0.9, "urgency": 0.85, "product": 0.5},
        },
    ]
    for step in range(0, epochs * steps, every):
        drawn = {pair: float(chance.normal(mean, 0.1)) for pair, mean in PULLS.items()}
        cosines = {pair: min(1.0, max(-1.0, value)) for pair, value in drawn.items()}
        weights = {"queue": 1.0 + step / 600, "urgency": 1.0, "product": 1.0 - step / 1200}
        norms = {"queue": 2.0, "urgency": 1.0 + step / 900, "product": 0.1}
        told.append(
            {
                "event": "gradients",
                "step": step,
                "cosines": cosines,
                "norms": norms,
                "weights": weights,
                "layers": {"layer.0": cosines, "layer.1": {"queue|urgency": 0.5}},
            }
        )
    for epoch in range(epochs):
        last = (epoch + 1) * steps - 1
        shares = {name: [0.7, 0.2, 0.1] for name in names}
        told.append({"event": "experts", "step": last, "load": shares})
        told.append(
            {
                "event": "throughput",
                "step": last,
                "tokens_per_second": 1234.5,
                "padding_share": 0.08,
            }
        )
    said = "queue and product conflict: mean cosine -0.30 over 60 comparisons"
    told.append(
        {"event": "alert", "step": 399, "kind": "conflict", "tasks": ["queue"], "said": said}
    )
    return tuple(told)


@cache
def usual() -> Finished:
    """The run that most tests look at."""
    return simulated(QUEUE, URGENCY)


@cache
def usual_page() -> str:
    """Its page, at 5,000 tickets a week."""
    return render(usual())


def write(run: Finished, directory: Path, config: RunConfig | None = None) -> str:
    """The run's directory, without a network; returns the digest of its checkpoint."""
    checkpoint = directory / CHECKPOINT
    checkpoint.mkdir(parents=True)
    (checkpoint / FACTS).write_text(run.facts.model_dump_json())
    if run.predictions:
        save_predictions(checkpoint / PREDICTIONS, run.predictions)
    if config is not None:
        (checkpoint / CONFIG).write_text(dump_config(config))
    seal(checkpoint)
    (directory / EVENTS).write_text("".join(json.dumps(event) + "\n" for event in run.events))
    return bundle_digest(checkpoint)
