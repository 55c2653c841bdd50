"""A teacher's checkpoint and tickets come in; what the teacher says to each of them goes out.

Shapes: N tickets, C classes of a task, H the teacher's width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from service.contract.tasks import Task
from training.checkpoint import Checkpoint, load
from training.config import RunConfig
from training.data.dataset import Dataset
from training.errors import ConfigError
from training.evaluate import predict, predict_frozen
from training.frozen import freeze_features
from training.parallel import ALONE, Processes


@dataclass(frozen=True)
class Lessons:
    """By task, on the run's device: the teacher's raw logits (N, C) and, where hidden states are
    taught too, its features (N, H), in the order of the tickets.
    """

    logits: dict[str, Tensor]
    features: dict[str, Tensor] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Of the features; 0 where there are none."""
        return next((each.shape[1] for each in self.features.values()), 0)


def load_teacher(directory: Path, tasks: Sequence[Task]) -> Checkpoint:
    """The teacher, checked to know every one of these tasks with the same labels in their order.

    Raises CheckpointError, and ConfigError naming the task that differs.
    """
    teacher = load(directory)
    known = {task.name: task.labels for task in teacher.tasks}
    for task in tasks:
        if task.name not in known:
            raise ConfigError(
                f"distill.teacher has no task {task.name}; it knows {', '.join(known)}"
            )
        if known[task.name] != task.labels:
            raise ConfigError(_differing(task, known[task.name]))
    return teacher


def other_split(teacher: Checkpoint, config: RunConfig, fingerprint: str) -> str | None:
    """A warning where the teacher learned from the same tickets, split in another way: it has then
    seen labels of the student's test split, and the student's figures are not to be trusted.

    fingerprint: of the student's table, as a checkpoint has it.
    """
    same = teacher.config.data == config.data
    if same or teacher.facts.data_fingerprint != fingerprint:
        return None
    return (
        "the teacher learned from the same tickets under other settings of `data`, so that it has "
        "seen labels of this run's test split; train it with the same `data` section"
    )


def teach(
    teacher: Checkpoint,
    dataset: Dataset,
    tasks: Sequence[Task],
    device: torch.device,
    *,
    hidden: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
    processes: Processes = ALONE,
) -> Lessons:
    """Runs the teacher once over all tickets, in evaluation mode and float32.

    dataset: the tickets as the teacher reads them, that is through `teacher.tokenizer` and with
    `teacher.tasks`. tasks: those of the student. hidden: its features are wanted too. on_progress:
    called with the number of tickets done. processes: each does its part, and all get all.
    """
    network = teacher.network.to(device)
    features: dict[str, Tensor] = {}
    if hidden:
        frozen = freeze_features(network, dataset, device, on_progress, processes)
        logits, features = predict_frozen(network, frozen, dataset), frozen.features
    else:
        logits = predict(network, dataset, device, on_progress, processes)
    names = [task.name for task in tasks]
    said = {name: torch.from_numpy(logits[name]).to(device) for name in names}
    return Lessons(said, {name: features[name] for name in names if name in features})


def _differing(task: Task, known: tuple[str, ...]) -> str:
    rule = f"distill.teacher must have the labels of task {task.name} in the same order"
    if len(known) != task.classes:
        return f"{rule}, found {len(known)} in place of {task.classes}"
    place = next(i for i, (a, b) in enumerate(zip(known, task.labels, strict=True)) if a != b)
    return f"{rule}, found {known[place]!r} in place of {task.labels[place]!r}"
