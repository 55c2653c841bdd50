"""Run directories as a finished run leaves them, with the answers that a test wants: no network.

Shapes: N test tickets.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from service.contract.bundle import Calibration, seal
from service.contract.tasks import Task
from training.baseline_runs import BASELINES
from training.checkpoint import FACTS, PREDICTIONS, Facts
from training.conclude import CHECKPOINT
from training.config import dump_config, parse_config
from training.data.split import write_splits
from training.predictions import Predictions, save_predictions
from training.prepare import SPLIT_FILE
from training.run import CONFIG

LABELS = ("a", "b", "c")
Given = Mapping[str, Sequence[int]]


def write_run(
    directory: Path,
    truth: Given,
    given: Given,
    *,
    seed: int = 7,
    config: Mapping[str, object] | None = None,
    ids: Sequence[str] | None = None,
    metrics: Mapping[str, object] | None = None,
) -> Path:
    """A finished run whose network says `given` to test tickets with the labels `truth`, by task;
    -100 is no label. A task whose name starts with `aux` is auxiliary.
    """
    place = directory / CHECKPOINT
    place.mkdir(parents=True)
    tasks = tuple(_task(name) for name in truth)
    logits = {name: 4.0 * np.eye(len(LABELS))[np.asarray(said)] for name, said in given.items()}
    labels = {name: np.asarray(one, dtype=np.int64) for name, one in truth.items()}
    save_predictions(place / PREDICTIONS, {"test": Predictions(logits, labels)})
    document = {"tasks": {task.name: {"role": task.role} for task in tasks}, "seed": seed}
    made = parse_config({**document, **(config or {})}, "test")
    (place / CONFIG).write_text(dump_config(made), encoding="utf-8")
    (place / FACTS).write_text(_facts(tasks, metrics or {}).model_dump_json(), encoding="utf-8")
    seal(place)
    known = ids or [f"t{number}" for number in range(len(next(iter(labels.values()))))]
    write_splits(directory / SPLIT_FILE, {"other": "train", **dict.fromkeys(known, "test")})
    return directory


def write_baselines(directory: Path, single: Mapping[str, Sequence[Path]]) -> Path:
    """A baselines.json that names single-task runs below its own directory."""
    tasks = {
        task: {"single": [{"directory": str(run.relative_to(directory))} for run in runs]}
        for task, runs in single.items()
    }
    (directory / BASELINES).write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    return directory


def said(
    chance: np.random.Generator, truth_N: np.ndarray, luck_N: np.ndarray, share: float
) -> np.ndarray:
    """Answers of which about `share` are right; hard tickets are hard for every model alike."""
    right_N = 0.7 * luck_N + 0.3 * chance.random(len(truth_N)) < _quantile(share)
    return np.where(right_N, truth_N, (truth_N + chance.integers(1, 3, len(truth_N))) % 3)


def _quantile(share: float) -> float:
    drawn = np.random.default_rng(0)
    mixed = 0.7 * drawn.random(20_000) + 0.3 * drawn.random(20_000)
    return float(np.quantile(mixed, share))


def _task(name: str) -> Task:
    role = "auxiliary" if name.startswith("aux") else "primary"
    return Task(name=name, labels=LABELS, role=role)


def _facts(tasks: tuple[Task, ...], metrics: Mapping[str, object]) -> Facts:
    even = Calibration(method="none", scale=(1.0,) * len(LABELS), bias=(0.0,) * len(LABELS))
    return Facts(
        tasks=tasks,
        encoder="tiny",
        encoder_config={},
        width=8,
        calibration={task.name: even for task in tasks},
        quality={},
        metrics=dict(metrics),
        data_fingerprint="sha256:1",
        code_fingerprint="sha256:2",
    )
