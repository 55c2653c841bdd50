"""A trained network comes in; its calibration, its report and its sealed checkpoint go out.

Shapes: N tickets, C classes of a task.
"""

import json
import os
from pathlib import Path
from typing import Any

from service.contract.bundle import Calibration, check_digests
from service.contract.errors import ContractError
from service.contract.tasks import Task
from training.baselines import BagOfWords, baselines
from training.calibration.fit import (
    FloatArray,
    calibrated,
    fit_temperature,
    temperature_calibration,
)
from training.checkpoint import Facts, save
from training.config import RunConfig, read_config
from training.data.dataset import UNLABELLED, Dataset
from training.data.split import label_shares
from training.errors import ConfigError
from training.evaluate import Measures, measure, predict
from training.fingerprint import code_fingerprint
from training.listener import Listener
from training.run import CONFIG, Trained

CHECKPOINT, REPORT = "checkpoint", "report.json"
FEW = 100
"""Below so many calibration tickets a run says that its confidences are rough."""


def conclude(trained: Trained, directory: Path, listener: Listener) -> dict[str, Any]:
    """Calibrates, measures beside the baselines, and writes checkpoint and report; returns the
    report.
    """
    calibration = calibrate(trained, listener)
    report = _report(trained, calibration, listener)
    save(
        directory / CHECKPOINT,
        # The encoder's name, not its path: a checkpoint holds nothing of the machine.
        _named(trained.config, trained.encoder.name),
        _facts(trained, calibration, report),
        trained.network,
        trained.tokenizer,
    )
    fresh = (directory / REPORT).with_suffix(".tmp")
    fresh.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    os.replace(fresh, directory / REPORT)
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


def calibrate(trained: Trained, listener: Listener) -> dict[str, Calibration]:
    """One temperature a task, fitted on the calibration split's labelled tickets."""
    dataset = trained.datasets["calibration"]
    logits = _predict(trained, dataset, "calibrating", listener)
    for task in dataset.tasks:
        if (known := len(dataset.labelled(task.name))) < FEW:
            rule = f"a temperature from fewer than {FEW} tickets is rough, found {known}"
            listener.say(f"task {task.name}: {rule}")
    return {task.name: _temperature(task, logits[task.name], dataset) for task in dataset.tasks}


def _predict(
    trained: Trained, dataset: Dataset, name: str, listener: Listener
) -> dict[str, FloatArray]:
    def on_progress(done: int) -> None:
        listener.progress(name, done, len(dataset))

    return predict(trained.network, dataset, trained.arithmetic.device, on_progress)


def _temperature(task: Task, logits_NC: FloatArray, dataset: Dataset) -> Calibration:
    labels_N = dataset.labels(task.name)
    known = labels_N != UNLABELLED
    return temperature_calibration(fit_temperature(logits_NC[known], labels_N[known]), task.classes)


def _report(
    trained: Trained, calibration: dict[str, Calibration], listener: Listener
) -> dict[str, Any]:
    desk = trained.desk
    bag = BagOfWords(desk.texts("train"))
    logits = _predict(trained, trained.datasets["test"], "testing", listener)
    listener.say("training the baselines: majority, TF-IDF and logistic regression")
    tasks = {
        task.name: _task_report(trained, task, bag, logits[task.name], calibration[task.name])
        for task in desk.tasks
    }
    return {
        "tasks": tasks,
        "best_epoch": trained.progress.best_epoch,
        "validation_metric": trained.progress.best,
        "tickets": {split: len(rows) for split, rows in desk.rows.items()},
        "splits": label_shares(desk.table.restrict(desk.tasks), _assignment(trained), desk.tasks),
    }


def _task_report(
    trained: Trained, task: Task, bag: BagOfWords, logits_NC: FloatArray, calibration: Calibration
) -> dict[str, Measures]:
    datasets = trained.datasets
    labels_N = datasets["test"].labels(task.name)
    scores = calibrated(logits_NC, calibration)
    train_N = datasets["train"].labels(task.name)
    texts = trained.desk.texts("test")
    return {
        "test": measure(task, scores, labels_N),
        "uncalibrated": measure(task, logits_NC, labels_N),
        **baselines(task, bag, train_N, texts, labels_N),
    }


def _named(config: RunConfig, encoder: str) -> RunConfig:
    model = config.model.model_copy(update={"encoder": encoder})
    return config.model_copy(update={"model": model})


def _assignment(trained: Trained) -> dict[str, str]:
    return {row.id: split for split, rows in trained.desk.rows.items() for row in rows}


def _facts(trained: Trained, calibration: dict[str, Calibration], report: dict[str, Any]) -> Facts:
    return Facts(
        tasks=trained.desk.tasks,
        encoder=trained.encoder.name,
        encoder_config=trained.encoder.saved_config(),
        width=trained.encoder.width,
        calibration=calibration,
        quality={name: task["test"] for name, task in report["tasks"].items()},
        metrics=report,
        data_fingerprint=f"sha256:{trained.desk.table.fingerprint}",
        code_fingerprint=code_fingerprint(),
    )
