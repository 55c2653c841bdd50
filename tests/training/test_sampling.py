"""Composed batches: the shares are those that were asked for, and each step is its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.tasks import Task
from service.contract.tokens import Tokens
from training.data.dataset import UNLABELLED, Dataset
from training.errors import DataError
from training.sampling import ComposedSampler, composition

NAMES = ("category", "urgency", "queue")
TASKS = tuple(Task(name=name, labels=("x", "y")) for name in NAMES)
REFERENCE = {"category": 12, "urgency": 10, "queue": 10}


@pytest.fixture
def data() -> Dataset:
    chance = np.random.default_rng(0)
    labels_NT = np.full((300, 3), UNLABELLED)
    for column, (first, last) in enumerate([(0, 250), (50, 200), (180, 300)]):
        labels_NT[first:last, column] = 1
    tokens = tuple(Tokens(np.arange(size), False) for size in chance.integers(3, 90, 300))
    return Dataset(tuple(map(str, range(300))), tokens, labels_NT, TASKS, 0)


def test_the_reference_composition_is_12_10_10() -> None:
    assert composition(REFERENCE, NAMES, 32) == REFERENCE


def test_two_tasks_share_the_batch_in_proportion() -> None:
    assert composition(REFERENCE, ("category", "queue"), 32) == {"category": 17, "queue": 15}
    assert composition({}, ("a", "b", "c"), 32) == {"a": 11, "b": 11, "c": 10}


@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 1000), min_size=1),
    st.integers(7, 200),
)
def test_a_composition_fills_the_batch_and_leaves_no_task_out(
    requested: dict[str, int], size: int
) -> None:
    counts = composition(requested, tuple("abcdefg"), size)
    assert sum(counts.values()) == size
    assert min(counts.values()) >= 1


def test_a_batch_too_small_for_its_tasks_is_refused() -> None:
    with pytest.raises(DataError, match="a batch of 2 cannot hold"):
        composition(REFERENCE, NAMES, 2)


def test_every_batch_draws_each_tasks_part_from_its_labelled_tickets(data: Dataset) -> None:
    sampler = ComposedSampler(data, REFERENCE, seed=3, window_steps=7)
    for step in range(30):
        parts = np.split(sampler.positions(step), [12, 22])
        for column, part in enumerate(parts):
            assert (data.labels_NT[part, column] != UNLABELLED).all()


def test_a_cycle_visits_every_labelled_ticket_before_any_twice(data: Dataset) -> None:
    sampler = ComposedSampler(data, {"urgency": 10}, seed=3, window_steps=5)
    drawn = np.concatenate([sampler.positions(step) for step in range(15)])
    assert sorted(drawn) == list(data.labelled("urgency"))


def test_a_step_does_not_depend_on_the_steps_before_it(data: Dataset) -> None:
    forward = ComposedSampler(data, REFERENCE, seed=3, window_steps=7)
    found = {step: forward.positions(step).tolist() for step in range(40)}
    for step in (39, 3, 21):
        fresh = ComposedSampler(data, REFERENCE, seed=3, window_steps=7)
        assert fresh.positions(step).tolist() == found[step]


def test_windows_save_padding(data: Dataset) -> None:
    def padded(window: int) -> int:
        sampler = ComposedSampler(data, REFERENCE, seed=3, window_steps=window)
        lengths = data.lengths_N
        return sum(int(lengths[sampler.positions(step)].max()) for step in range(50))

    assert padded(25) < 0.75 * padded(1)


def test_a_task_without_a_labelled_ticket_is_refused(data: Dataset) -> None:
    empty = Dataset(data.ids, data.tokens, np.full((300, 3), UNLABELLED), TASKS, 0)
    with pytest.raises(DataError, match="task category has no labelled ticket"):
        ComposedSampler(empty, REFERENCE, seed=3)


def test_evaluation_batches_hold_every_ticket_once_within_the_budget(data: Dataset) -> None:
    batches = list(data.by_length(budget_tokens=256))
    assert sorted(np.concatenate(batches)) == list(range(300))
    assert all(len(batch) * data.lengths_N[batch].max() <= 256 for batch in batches)
