"""Distillation: distances that are zero where they should be, limits of the temperature, cuts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from tests.training.objectives.network import TASKS, passes, step_loss, tickets, tiny_network
from training.config.objectives import DistillConfig
from training.data.dataset import UNLABELLED, Dataset
from training.distill import Lessons
from training.model.network import Network
from training.objectives.distillation import Distillation, softened_distance, unit_distance

DATASET = tickets()
STUDENT, TEACHER = tiny_network(0), tiny_network(1, width=48)


def lessons(teacher: Network = TEACHER, *, hidden: bool = True) -> Lessons:
    """What a network says to the tickets, as `teach` has it."""
    with torch.no_grad():
        positions_B = np.arange(len(DATASET))
        part = next(passes(teacher, DATASET, positions_B, [len(DATASET)]))
    return Lessons(part.logits, part.features if hidden else {})


def objective(found: Lessons | None = None, width: int = 32, **changes: float) -> Distillation:
    torch.manual_seed(2)
    settings = DistillConfig.model_validate({"teacher": "t", "hidden": 0.5, **changes})
    return Distillation(found or lessons(), settings, width)


def test_the_distance_is_the_divergence_of_the_softened_answers() -> None:
    chance = np.random.default_rng(0)
    student_BC, teacher_BC = chance.normal(0.0, 3.0, (2, 9, 4))
    for temperature in (0.5, 1.0, 4.0):
        told_BC = softmax(teacher_BC / temperature, axis=1)
        said_BC = np.exp(log_softmax(student_BC / temperature, axis=1))
        expected = temperature**2 * entropy(told_BC, said_BC, axis=1).sum()
        found = softened_distance(
            torch.from_numpy(student_BC), torch.from_numpy(teacher_BC), temperature
        )
        assert float(found) == pytest.approx(expected, rel=1e-4)


@settings(deadline=None)
@given(st.floats(0.1, 100.0))
def test_identical_answers_are_no_distance_apart_and_pull_nowhere(temperature: float) -> None:
    teacher_BC = 3.0 * torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    student_BC = (teacher_BC + 5.0).requires_grad_()
    far = softened_distance(student_BC, teacher_BC, temperature)
    far.backward()
    assert float(far.detach()) == pytest.approx(0.0, abs=1e-5 * max(1.0, temperature**2))
    assert student_BC.grad is not None
    assert float(student_BC.grad.abs().max()) == pytest.approx(0.0, abs=1e-5 * max(1, temperature))


def test_as_the_temperature_grows_it_is_half_the_variance_of_the_difference() -> None:
    student_BC, teacher_BC = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(3))
    expected = 0.5 * (student_BC - teacher_BC).var(dim=1, correction=0).sum()
    found = softened_distance(student_BC, teacher_BC, 50.0)
    torch.testing.assert_close(found, expected, rtol=0.05, atol=1e-3)


def test_unit_distance_is_two_less_twice_the_cosine_whatever_the_scale() -> None:
    student_BH, teacher_BH = torch.randn(2, 7, 16, generator=torch.Generator().manual_seed(4))
    cosines_B = torch.nn.functional.cosine_similarity(student_BH, teacher_BH)
    found = unit_distance(student_BH, 9.0 * teacher_BH)
    torch.testing.assert_close(found, (2.0 - 2.0 * cosines_B).sum())


def test_unlabelled_tickets_are_taught_as_labelled_ones_are() -> None:
    blank = Dataset(
        DATASET.ids, DATASET.tokens, np.full_like(DATASET.labels_NT, UNLABELLED), TASKS, 0
    )
    distillation = objective()
    found = step_loss(distillation, STUDENT, blank, [24])
    assert float(found.detach()) > 0.0
    torch.testing.assert_close(found, step_loss(distillation, STUDENT, DATASET, [24]))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=3))
def test_a_batch_may_be_cut_in_any_way(cuts: list[int]) -> None:
    distillation = objective()
    with torch.no_grad():
        whole = step_loss(distillation, STUDENT, DATASET, [sum(cuts)])
        found = step_loss(distillation, STUDENT, DATASET, cuts)
    torch.testing.assert_close(found, whole, rtol=1e-6, atol=1e-6)


def test_the_loss_is_a_mean_over_tickets_and_a_sum_over_tasks() -> None:
    found = lessons(hidden=False)
    distillation = objective(found, temperature=3.0, weight=0.7, hidden=0.0)
    loss = step_loss(distillation, STUDENT, DATASET, [6], first=10)
    part = next(passes(STUDENT, DATASET, np.arange(10, 16), [6]))
    expected = sum(
        9.0
        * entropy(
            softmax(found.logits[task.name][10:16].numpy() / 3.0, axis=1),
            softmax(part.logits[task.name].detach().numpy() / 3.0, axis=1),
            axis=1,
        ).mean()
        for task in TASKS
    )
    assert float(loss.detach()) == pytest.approx(0.7 * expected, rel=1e-4)


def test_what_the_teacher_s_part_weighs_is_taken_from_the_labels() -> None:
    assert objective(weight=0.3).label_share == pytest.approx(0.7)


def test_a_student_like_its_teacher_has_nothing_to_learn() -> None:
    distillation = objective(lessons(STUDENT))
    assert list(distillation.parameters()) == []
    loss = step_loss(distillation, STUDENT, DATASET, [24])
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-6)


def test_widths_that_differ_are_bridged_by_a_learned_map_a_task() -> None:
    distillation = objective()
    assert [tuple(one.shape) for one in distillation.parameters()] == [(48, 32)] * len(TASKS)
    step_loss(distillation, STUDENT, DATASET, [24]).backward()
    assert all(one.grad is not None and one.grad.any() for one in distillation.parameters())


def test_a_student_comes_closer_to_its_teacher() -> None:
    student = tiny_network(5)
    distillation = objective()
    learned = [*student.parameters(), *distillation.parameters()]
    optimizer = torch.optim.Adam(learned, 1e-3)
    before = float(step_loss(distillation, student, DATASET, [24]).detach())
    for _ in range(25):
        optimizer.zero_grad()
        step_loss(distillation, student, DATASET, [24]).backward()
        optimizer.step()
    assert float(step_loss(distillation, student, DATASET, [24]).detach()) < 0.5 * before


def test_the_lessons_never_become_part_of_the_state() -> None:
    assert set(objective().state_dict()) == {"maps.category.weight", "maps.TYPE.weight"}
