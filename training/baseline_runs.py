"""A multi-task configuration and its tickets come in; what each task reaches without the others,
and without training an encoder, goes out.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from service.contract.tasks import Task
from training.at_once import write_at_once
from training.baselines import BagOfWords, baselines
from training.conclude import CHECKPOINT, MOST_TEXTS
from training.config import RunConfig
from training.data.stream import StreamedDesk
from training.errors import DataError, TrainingError
from training.evaluate import Measures, measure
from training.frozen_linear import FrozenLinear
from training.listener import Listener
from training.prepare import Desk, note_origin, prepare
from training.single import alone
from training.single_scores import BASELINES as BASELINES
from training.start import check_builds
from training.whole import run_whole

DESK, SINGLE, JOINT, TRANSFER = "desk", "single", "joint", "transfer"

Document = dict[str, Any]


def run_baselines(
    config: RunConfig,
    data: Path,
    out: Path,
    seeds: int,
    listener: Listener,
    joint: bool = False,
    transfer: bool = False,
) -> Document:
    """Trains every task of a configuration alone, at the same budget, and measures what needs no
    training; writes OUT/baselines.json after each part and returns it.

    seeds: how many, from the configuration's own on. joint: also trains the configuration itself
    with each seed, into OUT/joint/seed-N, for `compare`. transfer: trains every task also from the
    encoder that the task with the most labels ended with. A finished run is not run again.

    `{"data_fingerprint", "seeds", "tasks": {task: {"majority", "tfidf", "frozen": measures,
    "single": [{"seed", "directory", "epochs", "labelled", "test": measures}]}}}`, and beside
    `single` a `transfer` of the same form for all tasks but the one that began; directories are
    relative to OUT. Measures are of the test split, those of `single` calibrated. Raises
    TrainingError.
    """
    check_builds([config])
    desk = read_desk(config, data, out / DESK, listener)
    found = _without_training(config, desk, out, listener)
    _write(out / BASELINES, found)
    for seed in range(config.seed, config.seed + seeds):
        seeded = config.model_copy(update={"seed": seed})
        trained = _Trained(seeded, desk, data, out, listener)
        for task in desk.tasks:
            found["tasks"][task.name][SINGLE].append(trained.single(task))
            _write(out / BASELINES, found)
        for task in trained.later if transfer else ():
            found["tasks"][task.name].setdefault(TRANSFER, []).append(trained.transferred(task))
            _write(out / BASELINES, found)
        if joint:
            run_whole(seeded, data, out / JOINT / f"seed-{seed}", listener)
        found["seeds"].append(seed)
        _write(out / BASELINES, found)
    return found


def read_baselines(directory: Path) -> Document:
    """What `run_baselines` wrote into a directory. Raises TrainingError."""
    try:
        document: Document = json.loads((directory / BASELINES).read_text(encoding="utf-8"))
        for task in document["tasks"].values():
            _ = [one["directory"] for one in task["single"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{directory} holds no {BASELINES} of `harbor-train baselines`: {error}"
        ) from error
    return document


def single_runs(
    directory: Path, document: Document, kind: Literal["single", "transfer"] = "single"
) -> dict[str, list[Path]]:
    """Each task's single-task runs. directory: where `document` was read."""
    return {
        task: [directory / one["directory"] for one in found.get(kind, ())]
        for task, found in document["tasks"].items()
    }


def read_desk(
    config: RunConfig, data: Path, place: Path, listener: Listener
) -> Desk | StreamedDesk:
    """The tickets and splits that every run of the baselines will have. Raises TrainingError."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{place} cannot hold baselines: {error.strerror}") from error
    note_origin(place, data)
    return prepare(config, place, listener)


@dataclass(frozen=True)
class _Trained:
    """The single-task runs of one seed."""

    config: RunConfig
    desk: Desk | StreamedDesk
    data: Path
    out: Path
    listener: Listener

    @property
    def later(self) -> list[Task]:
        """All tasks but the one with the most labelled tickets, which the others can begin from."""
        return [task for task in self.desk.tasks if task is not self._first]

    def single(self, task: Task) -> Document:
        """The task from the published encoder."""
        return self._run(task, SINGLE, None)

    def transferred(self, task: Task) -> Document:
        """The task from the encoder that the first one ended with, at the same budget."""
        return self._run(task, TRANSFER, self.out / self._place(SINGLE, self._first) / CHECKPOINT)

    @property
    def _first(self) -> Task:
        return max(self.desk.tasks, key=lambda task: self.desk.labelled([task]))

    def _place(self, kind: str, task: Task) -> Path:
        return Path(kind) / task.name / f"seed-{self.config.seed}"

    def _run(self, task: Task, kind: str, start: Path | None) -> Document:
        labelled, seed = self.desk.labelled([task]), self.config.seed
        only = alone(self.config, task.name, labelled, self.desk.labelled(self.desk.tasks))
        if start is not None:
            model = only.model.model_copy(update={"start": str(start)})
            only = only.model_copy(update={"model": model})
        directory, how = self._place(kind, task), "" if start is None else ", transferred"
        self.listener.say(
            f"task {task.name} alone{how}, seed {seed}: {only.epochs} epochs of {labelled} tickets"
        )
        report = run_whole(only, self.data, self.out / directory, self.listener)
        return {
            "seed": seed,
            "directory": directory.as_posix(),
            "epochs": only.epochs,
            "labelled": labelled,
            "test": report["tasks"][task.name]["test"],
        }


def _without_training(
    config: RunConfig, desk: Desk | StreamedDesk, out: Path, listener: Listener
) -> Document:
    """What an earlier call found, where it was of this configuration and these tickets."""
    made = {"config": config.model_dump(mode="json"), "data_fingerprint": desk.table.fingerprint}
    path = out / "linear.json"
    if path.exists():
        kept: Document = json.loads(path.read_text(encoding="utf-8"))
        if {key: kept.get(key) for key in made} != made:
            raise DataError(
                f"{out} holds baselines of other tickets or another configuration; "
                "choose another --out"
            )
    else:
        kept = {**made, "tasks": _linear(config, desk, listener)}
        _write(path, kept)
    tasks = {name: {**rows, "single": []} for name, rows in kept["tasks"].items()}
    return {"data_fingerprint": made["data_fingerprint"], "seeds": [], "tasks": tasks}


def _linear(
    config: RunConfig, desk: Desk | StreamedDesk, listener: Listener
) -> dict[str, dict[str, Measures]]:
    """Majority, TF-IDF and the frozen encoder, per task; of a streamed desk, from a sample of each
    split.
    """
    listener.say("training the baselines: majority, TF-IDF and logistic regression")
    drawn = {split: desk.sample(split, MOST_TEXTS) for split in ("train", "validation", "test")}
    bag, texts = BagOfWords(drawn["train"][1]), drawn["test"][1]
    positions = {split: at_M for split, (at_M, _) in drawn.items()}
    frozen = FrozenLinear.read(config, desk, positions, listener)
    found = {}
    for task in desk.tasks:
        labels = {split: data.labels(task.name) for split, data in frozen.datasets.items()}
        found[task.name] = {
            **baselines(task, bag, labels["train"], texts, labels["test"]),
            "frozen": measure(task, frozen.scores(task), labels["test"]),
        }
    return found


def _write(path: Path, document: Document) -> None:
    write_at_once(path, json.dumps(document, indent=2) + "\n")
