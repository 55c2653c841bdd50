"""A trained network comes in; its calibration, its report and its sealed checkpoint go out.

Shapes: N tickets, C classes of a task.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from service.contract.bundle import check_digests
from service.contract.errors import ContractError
from service.contract.tasks import Task
from training.at_once import write_at_once
from training.baselines import BagOfWords, baselines
from training.calibration.fit import FloatArray, probabilities
from training.calibration.measures import Measures, measures
from training.calibration.priors import offset
from training.calibration.selection import Selected, check_finite, select
from training.checkpoint import Facts, save
from training.config import RunConfig, read_config
from training.errors import ConfigError
from training.evaluate import measure, predict, predict_all
from training.fingerprint import code_fingerprint
from training.listener import Listener
from training.losses import class_weights
from training.predictions import Predictions
from training.run import CONFIG, Trained
from training.scope import METHOD, Mahalanobis, features, fit_scope

CHECKPOINT, REPORT = "checkpoint", "report.json"
FEW = 100
"""Below so many calibration tickets a run says that its confidences are rough."""

MOST_TEXTS = 50_000
"""Texts that a bag of words is made from, and measured on, where a run streams its tickets."""


@dataclass(frozen=True)
class Known:
    """What the baselines read. bag: of training tickets; they and the test tickets with these texts
    stand at the positions train_N and test_N of their splits.
    """

    bag: BagOfWords
    train_N: NDArray[np.int64]
    test_N: NDArray[np.int64]
    texts: list[str]


Offsets = Mapping[str, FloatArray]


def conclude(trained: Trained, directory: Path, listener: Listener) -> dict[str, Any]:
    """Calibrates, measures beside the baselines, and writes checkpoint and report; returns the
    report.
    """
    aside = _aside(trained, listener)
    trained.network.keep(trained.config.exported)
    scope = _scope(trained, listener)
    kept = {
        split: _predict(trained, scope, split, bar, listener)
        for split, bar in (("calibration", "calibrating"), ("test", "testing"))
    }
    tasks = trained.network.tasks
    offsets = {task.name: _offset(trained, task) for task in tasks}
    selected = calibrate(tasks, kept["calibration"], offsets, listener)
    report = _report(trained, selected, kept["test"], listener)
    if aside:
        report["unexported"] = aside
    save(
        directory / CHECKPOINT,
        _named(trained.config, trained.encoder.name),
        _facts(trained, selected, offsets, report),
        trained.network,
        trained.tokenizer,
        kept,
        scope,
    )
    write_at_once(directory / REPORT, json.dumps(report, indent=2) + "\n")
    return report


def concluded(directory: Path) -> dict[str, Any] | None:
    """The report of a run that has come to its end; None where checkpoint or report is missing,
    damaged, or of another configuration than the run's.
    """
    try:
        check_digests(directory / CHECKPOINT)
        made = read_config(directory / CHECKPOINT / CONFIG)
        if made != _named(read_config(directory / CONFIG), made.model.encoder):
            return None
        report: dict[str, Any] = json.loads((directory / REPORT).read_text(encoding="utf-8"))
    except (ContractError, ConfigError, OSError, ValueError):
        return None
    return report


def calibrate(
    tasks: tuple[Task, ...], predictions: Predictions, offsets: Offsets, listener: Listener
) -> dict[str, Selected]:
    """The calibration of each task that cross-validation on the calibration split prefers.

    Raises AnswerError where a logit is not finite.
    """
    found = {}
    for task in tasks:
        logits_NC, labels_N = predictions.labelled(task.name)
        check_finite(task.name, logits_NC)
        if len(labels_N) < FEW:
            rule = f"a calibration from fewer than {FEW} tickets is rough, found {len(labels_N)}"
            listener.say(f"task {task.name}: {rule}")
        found[task.name] = select(logits_NC, labels_N, offsets[task.name])
        listener.say(f"task {task.name}: calibrated by {found[task.name].calibration.method}")
    return found


def _aside(trained: Trained, listener: Listener) -> dict[str, Measures]:
    """The test split's measures of the tasks that get no head, before their heads are dropped."""
    tasks = _unexported(trained)
    if not tasks:
        return {}
    listener.say(f"not exported: {', '.join(task.name for task in tasks)}")
    test = trained.datasets["test"]
    logits = predict(trained.network, test, trained.arithmetic.device)
    return {task.name: measure(task, logits[task.name], test.labels(task.name)) for task in tasks}


def _unexported(trained: Trained) -> tuple[Task, ...]:
    kept = trained.config.exported
    return tuple(task for task in trained.desk.tasks if task.name not in kept)


def _scope(trained: Trained, listener: Listener) -> Mahalanobis:
    """What tells strange tickets, fitted on those of training."""
    training = trained.datasets["train"]

    def on_progress(done: int) -> None:
        listener.progress("looking at the training tickets", done, len(training))

    device = trained.arithmetic.device
    return fit_scope(features(trained.network, training, device, on_progress=on_progress))


def _predict(
    trained: Trained, scope: Mahalanobis, split: str, bar: str, listener: Listener
) -> Predictions:
    dataset = trained.datasets[split]

    def on_progress(done: int) -> None:
        listener.progress(bar, done, len(dataset))

    return predict_all(trained.network, scope, dataset, trained.arithmetic.device, on_progress)


def _offset(trained: Trained, task: Task) -> FloatArray:
    """What takes the class weights of the training back, (C,).

    Cross-entropy and CORN are the weighted log probability of the label, whose optimum they shift
    by the logarithm of the weights; the ordinal log-loss is not, and calibration alone corrects it.
    """
    if trained.config.tasks[task.name].loss == "ordinal_log_loss":
        return np.zeros(task.classes)
    kind = trained.config.class_weights
    weights_C = class_weights(trained.datasets["train"], task.name, task.classes, kind)
    return offset(weights_C.numpy())


def _report(
    trained: Trained, selected: Mapping[str, Selected], test: Predictions, listener: Listener
) -> dict[str, Any]:
    desk = trained.desk
    listener.say("training the baselines: majority, TF-IDF and logistic regression")
    train_N, texts = desk.sample("train", MOST_TEXTS)
    known = Known(BagOfWords(texts), train_N, *desk.sample("test", MOST_TEXTS))
    tasks = {
        task.name: _task_report(trained, task, known, test, selected[task.name])
        for task in trained.network.tasks
    }
    return {
        "tasks": tasks,
        "calibration": {name: _candidates(one) for name, one in selected.items()},
        "serving": {
            "parameters": sum(one.numel() for one in trained.network.parameters()),
            "passes": trained.network.trunk.passes,
        },
        "best_epoch": trained.progress.best_epoch,
        "validation_metric": trained.progress.best,
        "tickets": desk.tickets,
        "splits": desk.label_shares(),
    }


def _task_report(
    trained: Trained, task: Task, known: Known, test: Predictions, selected: Selected
) -> dict[str, Measures]:
    logits_NC, labels_N = test.logits[task.name], test.labels[task.name]
    train_N = trained.datasets["train"].labels(task.name)[known.train_N]
    return {
        "test": measures(task, probabilities(logits_NC, selected.calibration), labels_N),
        "uncalibrated": measures(task, softmax(logits_NC, axis=1), labels_N),
        **baselines(task, known.bag, train_N, known.texts, labels_N[known.test_N]),
    }


def _candidates(selected: Selected) -> dict[str, Any]:
    """What was tried: the cross-validated NLL, and the error of its distance to the least."""
    tried = {
        name: {"nll": nll, "error": error} for name, (nll, error) in selected.candidates.items()
    }
    return {"method": selected.calibration.method, "candidates": tried}


def _named(config: RunConfig, encoder: str) -> RunConfig:
    """Directories by their names alone: a checkpoint holds nothing of the machine."""
    start, teacher = _short(config.model.start), _short(config.distill.teacher)
    model = config.model.model_copy(update={"encoder": encoder, "start": start})
    distill = config.distill.model_copy(update={"teacher": teacher})
    return config.model_copy(update={"model": model, "distill": distill})


def _short(directory: str | None) -> str | None:
    """A run's name and what of it is meant, such as `large/checkpoint`."""
    return None if directory is None else "/".join(Path(directory).parts[-2:])


def _facts(
    trained: Trained, selected: Mapping[str, Selected], offsets: Offsets, report: dict[str, Any]
) -> Facts:
    return Facts(
        tasks=trained.network.tasks,
        unexported=_unexported(trained),
        encoder=trained.encoder.name,
        encoder_config=trained.encoder.saved_config(),
        width=trained.encoder.width,
        calibration={name: one.calibration for name, one in selected.items()},
        quality={name: task["test"] for name, task in report["tasks"].items()},
        metrics=report,
        data_fingerprint=f"sha256:{trained.desk.table.fingerprint}",
        code_fingerprint=code_fingerprint(),
        offsets={name: tuple(map(float, offset_C)) for name, offset_C in offsets.items()},
        scope_method=METHOD,
    )
