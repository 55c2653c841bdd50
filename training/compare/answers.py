"""Run directories come in; what each seed said to each test ticket, beside the truth, goes out.

Shapes: N test tickets with a label of the task, S seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.calibration.fit import probabilities
from training.checkpoint import Facts, load_facts
from training.conclude import CHECKPOINT
from training.config import RunConfig, read_config
from training.data.dataset import UNLABELLED
from training.data.split import read_splits
from training.errors import CheckpointError, TrainingError
from training.predictions import Predictions
from training.prepare import SPLIT_FILE
from training.run import CONFIG

TEST = "test"


@dataclass(frozen=True)
class Finished:
    """One finished run. ids: of the test tickets, in the order of `test`."""

    name: str
    config: RunConfig
    facts: Facts
    ids: tuple[str, ...]
    test: Predictions

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it answers."""
        return tuple(task.name for task in self.facts.tasks)


@dataclass(frozen=True)
class Answers:
    """Of one task. truth: label by ticket id. given: by seed, the label said to each of them."""

    truth: Mapping[str, str]
    given: Mapping[int, Mapping[str, str]]


def read_finished(directory: Path) -> Finished:
    """A run directory's test answers. Raises TrainingError where the run has not come to its end,
    or is of a Harbor that kept no predictions.
    """
    place = directory / CHECKPOINT
    if not place.is_dir():
        raise CheckpointError(f"{directory} has no {CHECKPOINT}: the run has not come to its end")
    facts, kept = load_facts(place)
    if TEST not in kept:
        raise CheckpointError(f"the checkpoint of {directory.name} keeps no test predictions")
    assignment = read_splits(directory / SPLIT_FILE)
    ids = tuple(name for name, split in assignment.items() if split == TEST)
    if len(ids) != len(kept[TEST]):
        raise CheckpointError(
            f"{SPLIT_FILE} of {directory.name} names {len(ids)} test tickets, "
            f"its checkpoint answers {len(kept[TEST])}"
        )
    return Finished(directory.name, read_config(place / CONFIG), facts, ids, kept[TEST])


def check_one_recipe(runs: Sequence[Finished]) -> None:
    """Raises TrainingError where there is no run, or where runs differ in more than seed and
    fold.
    """
    if not runs:
        raise TrainingError("there is no run to compare")
    first, *others = runs
    for other in others:
        if _recipe(other.config) != _recipe(first.config):
            raise TrainingError(
                f"runs of one recipe may differ in seed and data.fold only, "
                f"{first.name} and {other.name} differ in more"
            )


def answers(runs: Sequence[Finished], task: str) -> Answers:
    """What the runs' seeds said to the labelled test tickets; the folds of a seed are put together.

    Raises TrainingError where one seed answers a ticket twice, or the seeds answer other tickets.
    """
    truth: dict[str, str] = {}
    given: dict[int, dict[str, str]] = {}
    for run in runs:
        said = _said(run, task)
        told = given.setdefault(run.config.seed, {})
        if twice := said.keys() & told.keys():
            raise TrainingError(
                f"{len(twice)} test tickets are answered twice with seed {run.config.seed}, the "
                f"second time by {run.name}; runs of one seed must test different folds"
            )
        for ticket, (right, label) in said.items():
            if truth.setdefault(ticket, right) != right:
                raise TrainingError(
                    f"{run.name} has other labels of task {task} than the runs before"
                )
            told[ticket] = label
    for seed, told in given.items():
        if told.keys() != truth.keys():
            raise TrainingError(
                f"every seed must answer the same test tickets of task {task}, seed {seed} lacks "
                f"{len(truth.keys() - told.keys())} of {len(truth)}"
            )
    return Answers(truth, given)


def _said(run: Finished, task: str) -> dict[str, tuple[str, str]]:
    """By ticket with a label: that label, and the one of the largest calibrated probability."""
    known = next((one for one in run.facts.tasks if one.name == task), None)
    if known is None:
        raise TrainingError(f"{run.name} has no task {task}; it has {', '.join(run.tasks)}")
    said_NC = probabilities(run.test.logits[task], run.facts.calibration[task])
    pairs = zip(run.test.labels[task].tolist(), said_NC.argmax(axis=1).tolist(), strict=True)
    return {
        ticket: (known.labels[right], known.labels[label])
        for ticket, (right, label) in zip(run.ids, pairs, strict=True)
        if right != UNLABELLED
    }


def _recipe(config: RunConfig) -> RunConfig:
    data = config.data.model_copy(update={"fold": 0})
    return config.model_copy(update={"seed": 0, "data": data})
