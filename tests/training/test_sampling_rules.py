"""The drawn samplers: realised shares are the stated ones, and each step is its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.tasks import Task
from service.contract.tokens import Tokens
from training.config import BatchConfig
from training.data.dataset import UNLABELLED, Dataset
from training.sampling.build import build_sampler
from training.sampling.realised import realised
from training.sampling.shared import shares

NAMES = ("category", "urgency", "queue")
LABELLED = {"category": 240, "urgency": 60, "queue": 15}
RULES = ("proportional", "temperature", "sqrt", "oversample", "round_robin", "composition")


@pytest.fixture(scope="module")
def data() -> Dataset:
    """One label a ticket: what is drawn for a task is what is labelled for it."""
    chance = np.random.default_rng(0)
    total = sum(LABELLED.values())
    labels_NT = np.full((total, 3), UNLABELLED)
    start = 0
    for column, count in enumerate(LABELLED.values()):
        labels_NT[start : start + count, column] = 1
        start += count
    tokens = tuple(Tokens(np.arange(size), False) for size in chance.integers(3, 90, total))
    tasks = tuple(Task(name=name, labels=("x", "y")) for name in NAMES)
    return Dataset(tuple(map(str, range(total))), tokens, labels_NT, tasks, 0)


def batch(rule: str, **changes: object) -> BatchConfig:
    document = {"size": 32, "sampling": rule, "length_window_steps": 10, **changes}
    return BatchConfig.model_validate(document)


@pytest.mark.parametrize("rule", RULES)
def test_the_realised_shares_match_the_stated_ones(data: Dataset, rule: str) -> None:
    found = realised(build_sampler(batch(rule), data, 7), 120)
    assert found.drawn == pytest.approx(found.stated, abs=0.005)
    assert found.labelled == pytest.approx(found.drawn)
    assert sum(found.stated.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rule", "power"), [("proportional", 1.0), ("temperature", 0.75), ("sqrt", 0.5)]
)
def test_the_shares_are_powers_of_the_labelled_tickets(
    data: Dataset, rule: str, power: float
) -> None:
    counts = np.array(list(LABELLED.values())) ** power
    stated = build_sampler(batch(rule), data, 7).stated
    assert list(stated.values()) == pytest.approx(list(counts / counts.sum()))


def test_the_temperature_is_the_configurations(data: Dataset) -> None:
    cold = build_sampler(batch("temperature", temperature=0.01), data, 7).stated
    assert max(cold.values()) - min(cold.values()) < 0.02


@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**6), min_size=1),
    st.sampled_from(["proportional", "temperature", "sqrt", "oversample"]),
)
def test_every_task_has_a_share(labelled: dict[str, int], rule: str) -> None:
    found = shares(labelled, rule)  # type: ignore[arg-type]  # one of the rules
    assert min(found.values()) > 0.0
    assert sum(found.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("rule", RULES)
def test_a_step_does_not_depend_on_the_steps_before_it(data: Dataset, rule: str) -> None:
    forward = build_sampler(batch(rule), data, 7)
    found = {step: forward.positions(step).tolist() for step in range(45)}
    for step in (44, 3, 21):
        fresh = build_sampler(batch(rule), data, 7)
        assert fresh.positions(step).tolist() == found[step]
        assert sum(fresh.drawn(step).values()) == len(found[step]) == 32


def test_round_robin_gives_each_task_its_own_batches(data: Dataset) -> None:
    sampler = build_sampler(batch("round_robin"), data, 7)
    for step in range(9):
        column = step % 3
        assert (data.labels_NT[sampler.positions(step), column] != UNLABELLED).all()
        assert sampler.drawn(step)[NAMES[column]] == 32


@pytest.mark.parametrize("rule", ["proportional", "sqrt", "round_robin"])
def test_a_cycle_visits_every_labelled_ticket_before_any_twice(data: Dataset, rule: str) -> None:
    sampler = build_sampler(batch(rule), data, 7)
    drawn: list[int] = []
    first = set(data.labelled("category").tolist())
    for step in range(400):
        drawn += [one for one in sampler.positions(step).tolist() if one in first]
    assert set(drawn[: len(drawn) // len(first) * len(first)]) == first
    counts = np.bincount(drawn, minlength=len(first))[: len(first)]
    assert counts.max() - counts.min() <= 2


def test_windows_save_padding(data: Dataset) -> None:
    def padded(window: int) -> int:
        sampler = build_sampler(batch("sqrt", length_window_steps=window), data, 7)
        return sum(int(data.lengths_N[sampler.positions(step)].max()) for step in range(50))

    assert padded(25) < 0.75 * padded(1)
