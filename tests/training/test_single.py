"""Configurations of fewer tasks: the budget is the same, and nothing is left of the other tasks."""

import pytest

from service.contract.tasks import Task
from training.config import parse_config
from training.data.table import Row
from training.single import alone, labelled_tickets, restricted

REFERENCE = {
    "model": {"encoder": "minilm", "sharing": {"scheme": "soft", "strength": 0.1}},
    "balance": {"method": "manual", "weights": {"urgency": 2.0, "queue": 3.0}},
    "masked": {"weight": 0.1},
    "epochs": 4,
    "stop": {"metric": "urgency", "patience": 2},
}


@pytest.mark.parametrize("labelled", [3200, 1600, 1500, 333, 40])
def test_the_budget_is_as_many_steps_rounded_up_to_an_epoch(labelled: int) -> None:
    config = parse_config(REFERENCE, "test")
    found = alone(config, "queue", labelled, 3200)
    steps_per_epoch = -(-labelled // 32)
    assert 400 <= found.epochs * steps_per_epoch < 400 + steps_per_epoch
    assert found.stop.patience * steps_per_epoch >= 200
    # The share of the frozen epochs is kept as well as whole epochs allow.
    assert abs(found.frozen_epochs * steps_per_epoch - 100) <= steps_per_epoch / 2


def test_a_task_alone_neither_shares_nor_weighs() -> None:
    found = alone(parse_config(REFERENCE, "test"), "queue", 3200, 3200)
    assert list(found.tasks) == ["queue"]
    assert (found.model.sharing.scheme, found.balance.method) == ("hard", "equal")
    assert found.stop.metric == "macro_f1"
    assert found.epochs == 4
    assert found.masked.weight == 0.1


def test_an_auxiliary_task_alone_decides_when_to_stop() -> None:
    tasks = {"category": {}, "topic": {"role": "auxiliary", "exported": False}}
    found = alone(parse_config({"tasks": tasks}, "test"), "topic", 10, 10)
    assert (found.tasks["topic"].role, found.tasks["topic"].exported) == ("primary", True)


def test_some_of_the_tasks_share_and_weigh_as_before() -> None:
    found = restricted(parse_config(REFERENCE, "test"), ("category", "queue"), 3200, 3200)
    assert list(found.tasks) == ["category", "queue"]
    assert found.balance.weights == {"queue": 3.0}
    assert found.model.sharing.scheme == "soft"


def test_all_of_the_tasks_are_the_run_itself() -> None:
    config = parse_config(REFERENCE, "test")
    assert restricted(config, tuple(config.tasks), 500, 500) == config


def test_a_ticket_counts_once_and_a_label_that_is_left_out_does_not() -> None:
    tasks = [Task(name="one", labels=("a", "b")), Task(name="two", labels=("c", "d"))]
    labels = [{"one": "a", "two": "c"}, {"one": "b"}, {"two": "rare"}, {}]
    rows = [Row(str(at), "", "text", each) for at, each in enumerate(labels)]
    assert labelled_tickets(rows, tasks) == 2
    assert labelled_tickets(rows, tasks[1:]) == 1
