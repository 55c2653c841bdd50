"""A teacher from a checkpoint: what it must know, and what it says to each ticket."""

from pathlib import Path

import numpy as np
import pytest
import torch

from service.contract.tasks import Task
from tests.export.tiny import TASKS, tiny_checkpoint
from training.checkpoint import Checkpoint
from training.config import RunConfig
from training.data.dataset import Dataset, encode_rows
from training.data.sample import generate
from training.distill import Lessons, load_teacher, other_split, teach
from training.errors import CheckpointError, ConfigError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of two tasks."""
    place = tmp_path_factory.mktemp("teacher") / "checkpoint"
    tiny_checkpoint(place)
    return place


@pytest.fixture(scope="module")
def teacher(directory: Path) -> Checkpoint:
    """The same, loaded for its own tasks."""
    return load_teacher(directory, TASKS)


def encoded(teacher: Checkpoint, count: int = 12) -> Dataset:
    return encode_rows(generate(count, 3), teacher.tasks, teacher.tokenizer)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_lesson_is_what_the_teacher_says_to_that_ticket_alone(
    teacher: Checkpoint, *, hidden: bool
) -> None:
    dataset = encoded(teacher)
    lessons = teach(teacher, dataset, TASKS, CPU, hidden=hidden)
    for position in range(len(dataset)):
        batch = dataset.batch([position])
        with torch.no_grad():
            features = teacher.network.trunk(batch.ids, batch.mask)
            alone = teacher.network.answer(features)
        for task in TASKS:
            said_C = lessons.logits[task.name][position]
            torch.testing.assert_close(said_C, alone[task.name][0], rtol=1e-4, atol=1e-5)
            if hidden:
                felt_H = lessons.features[task.name][position]
                torch.testing.assert_close(felt_H, features[task.name][0], rtol=1e-4, atol=1e-5)


def test_features_are_kept_only_where_they_are_wanted(teacher: Checkpoint) -> None:
    dataset = encoded(teacher, 4)
    assert teach(teacher, dataset, TASKS, CPU).width == 0
    wanted = teach(teacher, dataset, TASKS, CPU, hidden=True)
    assert wanted.width == teacher.facts.width
    assert wanted.features["category"] is wanted.features["urgency"], "one tensor for all tasks"


def test_a_teacher_may_know_more_than_its_student(directory: Path) -> None:
    teacher = load_teacher(directory, TASKS[1:])
    lessons = teach(teacher, encoded(teacher, 4), TASKS[1:], CPU, hidden=True)
    assert set(lessons.logits) == set(lessons.features) == {"urgency"}


def test_progress_ends_at_the_number_of_tickets(teacher: Checkpoint) -> None:
    seen: list[int] = []
    teach(teacher, encoded(teacher), TASKS, CPU, on_progress=seen.append)
    assert seen[-1] == 12
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Task(name="team", labels=("a", "b")), "no task team; it knows category, urgency"),
        (
            Task(name="category", labels=("billing", "technical")),
            "category .* found 3 in place of 2",
        ),
        (
            Task(name="urgency", labels=("P0", "P1", "P3", "P2")),
            "urgency in the same order, found 'P2' in place of 'P3'",
        ),
    ],
)
def test_a_teacher_of_other_labels_is_refused_naming_the_task(
    directory: Path, task: Task, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load_teacher(directory, (task,))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        load_teacher(tmp_path, TASKS)


def test_a_teacher_that_saw_the_test_split_is_told(teacher: Checkpoint) -> None:
    other = RunConfig.model_validate({"data": {"split_seed": 8}})
    fingerprint = teacher.facts.data_fingerprint
    assert other_split(teacher, teacher.config, fingerprint) is None
    assert other_split(teacher, other, "another file") is None
    warning = other_split(teacher, other, fingerprint)
    assert warning is not None
    assert "test split" in warning


def test_lessons_hold_finite_numbers_in_the_order_of_the_tickets(teacher: Checkpoint) -> None:
    dataset = encoded(teacher)
    lessons: Lessons = teach(teacher, dataset, TASKS, CPU)
    again = teach(teacher, encoded(teacher), TASKS, CPU)
    for task in TASKS:
        said_NC = lessons.logits[task.name]
        assert said_NC.shape == (len(dataset), task.classes)
        assert bool(torch.isfinite(said_NC).all())
        np.testing.assert_array_equal(said_NC, again.logits[task.name])
